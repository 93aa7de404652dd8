//! docker: dockerd with its own containerd and shims, driven by its command line.

mod isolation;
mod life;
mod limits;
mod machine;

use crate::table::Engine;

/// A script of the machine that starts the daemon and ends when it serves.
macro_rules! serve {
    ($options:literal) => {
        concat!(
            "mkdir -p /run/docker; cat > /run/serve <<'END'\n",
            "PATH=/opt/tare:$PATH dockerd --bridge=none --iptables=false --ip6tables=false --live-restore --pidfile /run/dockerd.pid ",
            "--add-runtime tare=/opt/tare/tare-runtime --default-runtime tare ",
            $options,
            " >>/tmp/log 2>&1 </dev/null &\n",
            "until docker load -q -i /busybox.tar >/dev/null 2>&1; do kill -0 $! || { cat /tmp/log; exit 1; }; sleep 0.05; done\n",
            "END\n"
        )
    };
}

/// Ours is the default runtime here, and has a name as well. No bridge: nothing leaves the machine.
const DOCKER: Engine = Engine {
    start: concat!(serve!(""), "sh /run/serve"),
    stop: STOP,
    prelude: PRELUDE,
    runtimes: ["runc", "tare"],
    list: "docker ps -aq",
    fixtures: &[],
    clear: "docker ps -aq | xargs -r docker rm -f",
    keeps: &["/docker"],
};

/// The same with our shim, which makes the containers by itself.
const SHIM: Engine = Engine {
    runtimes: ["io.containerd.runc.v2", "io.containerd.tare.v2"],
    keeps: &["/docker", "/tare/supervisors", "/tare"],
    ..DOCKER
};

/// The same with every container in a user namespace.
const REMAPPED: Engine = Engine {
    start: concat!(
        "echo daemon:100000:65536 | tee /etc/subuid > /etc/subgid\n",
        serve!("--userns-remap daemon"),
        "sh /run/serve"
    ),
    ..DOCKER
};

const STOP: &str =
    r#"pid=$(cat /run/dockerd.pid); kill "$pid"; while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done"#;

const PRELUDE: &str = r#"run() { docker run --runtime "$R" --network none --name "$N" "$@"; }
state() { docker inspect -f '{{.State.Status}} {{.State.ExitCode}} oom={{.State.OOMKilled}}' "$N"; }
await() { until docker logs "$N" 2>&1 | grep -q "$1"; do sleep 0.2; done; }
events() { docker events --since 10m --until "$(date +%s.%N)" --filter "container=$N" --format '{{.Action}} {{index .Actor.Attributes "exitCode"}}' | sed 's/ $//'; }
end() { docker rm -f "$N" >/dev/null; }"#;
