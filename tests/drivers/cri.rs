//! containerd's CRI service with our shim as a handler: pods by crictl, as kubelet makes them.

use crate::machine::NEEDS;
use crate::table::{Engine, Row, apart, differs, run, same, says};
use tare_kit::{Need, test};

/// What rows call. `$NET` is the mode of a pod's network: 0 one of its own, 2 the host's.
macro_rules! prelude {
    ($network:literal) => {
        concat!(
            "NET=",
            $network,
            "\n",
            r#"export PATH=$PATH:/opt/crictl CONTAINER_RUNTIME_ENDPOINT=unix:///run/containerd/containerd.sock
crictl() { command crictl --timeout 30s "$@"; }
pod() { # POD [MORE OPTIONS OF NAMESPACES]
  printf '{"metadata":{"name":"%s","namespace":"n","uid":"%s","attempt":1},"log_directory":"/tmp/%s","linux":{"security_context":{"namespace_options":{"network":'$NET'%s}}}}' \
    "$1" "$1" "$N" "$2" > "/tmp/$1.pod"
  crictl runp -r "$R" "/tmp/$1.pod" || kill $$
}
create() { # POD ID NAME SCRIPT [MORE]
  jq -n --arg name "$3" --arg script "$4" '{metadata: {name: $name}, image: {image: "docker.io/library/busybox:latest"},
    command: ["sh", "-c", $script], log_path: ($name + ".log")}'" + ${5:-{\}}" > "/tmp/$1.$3"
  crictl create "$2" "/tmp/$1.$3" "/tmp/$1.pod"
}
start() { c=$(create "$@") && crictl start "$c" >/dev/null && echo "$c"; }
state() { crictl inspect -o json "$1" | jq -r '.status | "\(.state) \(.exitCode) \(.reason)"'; }
ended() { until [ "$(crictl inspect -o json "$1" | jq -r .status.state)" = CONTAINER_EXITED ]; do sleep 0.05; done; state "$1"; }
log() { sed 's/^[^ ]* //' "/tmp/$N/$1.log"; }
await() { until grep -q "$2" "/tmp/$N/$1.log"; do sleep 0.05; done; }
end() { crictl rmp -f "$p" >/dev/null; }"#
        )
    };
}

/// What a script calls that is no row. crictl itself gives up a call after two seconds, and leaves the pod then.
macro_rules! alone {
    () => {
        r#"export CONTAINER_RUNTIME_ENDPOINT=unix:///run/containerd/containerd.sock; crictl() { /opt/crictl/crictl --timeout 30s "$@"; }; "#
    };
}

/// Ours is the default handler. Nobody on this machine may lower a score (`restrict_oom_score_adj`); no row needs a network
/// of its own.
const CRI: Engine = Engine {
    start: r#"mkdir -p /etc/containerd /tmp/pause; touch /etc/crictl.yaml
cat > /etc/containerd/config.toml <<'END'
version = 3
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = 'docker.io/library/pause:1'
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.containerd]
default_runtime_name = 'tare'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.tare]
runtime_type = 'io.containerd.tare.v2'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.tare-sandbox]
runtime_type = 'io.containerd.tare.v2'
sandboxer = 'shim'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.tare-runc]
runtime_type = 'io.containerd.tare.v2'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.tare-runc.options]
BinaryName = 'runc'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'
END
mkdir -p /opt/cni/bin /etc/cni/net.d
cat > /opt/cni/bin/pretend <<'END'
#!/bin/sh
case $CNI_COMMAND in
VERSION) echo '{"cniVersion": "1.0.0", "supportedVersions": ["0.4.0", "1.0.0"]}' ;;
ADD) echo '{"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": "'"$CNI_NETNS"'"}], "ips": [{"address": "10.1.2.3/24", "interface": 0}]}' ;;
esac
END
chmod +x /opt/cni/bin/pretend; ln -s pretend /opt/cni/bin/loopback
echo '{"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "pretend"}]}' > /etc/cni/net.d/10-n.conflist
cd /tmp/pause; tar xf /busybox.tar; config=$(jq -r '.[0].Config' manifest.json)
jq -c '.config.Cmd = ["sleep", "100000"]' "$config" > pause.json; rm -f "$config" repositories
jq -c '.[0].Config = "pause.json" | .[0].RepoTags = ["docker.io/library/pause:1"]' manifest.json > new; mv new manifest.json
tar cf /pause.tar -- *
cat > /run/serve <<'END'
PATH=/opt/tare:$PATH containerd --log-level warn >>/tmp/log 2>&1 </dev/null &
echo $! > /run/containerd.pid
until ctr -n k8s.io image import /busybox.tar >/dev/null 2>&1; do kill -0 $! || { cat /tmp/log; exit 1; }; sleep 0.05; done
# Its CRI service comes later than the others (containerd issue 8468), and hears later of an image.
cri() { CONTAINER_RUNTIME_ENDPOINT=unix:///run/containerd/containerd.sock /opt/crictl/crictl --timeout 30s "$@" >/dev/null 2>&1; }
until cri pods && cri inspecti docker.io/library/busybox:latest; do kill -0 $! || { cat /tmp/log; exit 1; }; sleep 0.05; done
END
sh /run/serve; ctr -n k8s.io image import /pause.tar >/dev/null
export CONTAINER_RUNTIME_ENDPOINT=unix:///run/containerd/containerd.sock
until /opt/crictl/crictl --timeout 30s inspecti docker.io/library/pause:1 >/dev/null 2>&1; do sleep 0.05; done"#,
    stop: r#"pid=$(cat /run/containerd.pid); kill "$pid"; while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done"#,
    prelude: prelude!("2"),
    runtimes: ["runc", "tare"],
    list: concat!(alone!(), "crictl pods -q; crictl ps -aq"),
    fixtures: &["crictl"],
    // What containerd was still making when its client was killed comes after the first look.
    clear: concat!(
        alone!(),
        "for i in 1 2 3 4 5; do crictl rmp -af; [ -n \"$(crictl pods -q)\" ] || break; sleep 0.5; done"
    ),
    keeps: &["/k8s.io", "/tare/supervisors", "/tare"],
};

/// The same pods as sandboxes of the Sandbox service, beside runc's shim with pause containers. Their networks are their own, if
/// nothing but loopback is in them: containerd 2.1.9 dies of a pod in the host's that is none of its own sandboxes
/// (containerd issue 12983).
const SANDBOX: Engine = Engine {
    prelude: prelude!("0"),
    runtimes: ["runc", "tare-sandbox"],
    ..CRI
};

/// What only a sandbox without a pause container shows.
const SANDBOXES: &[Row] = &[
    says("names and files", "cat > /tmp/$N.pod <<END
{\"metadata\":{\"name\":\"$N\",\"namespace\":\"n\",\"uid\":\"$N\",\"attempt\":1},\"hostname\":\"podhost\",\"dns_config\":{\"servers\":[\"10.9.9.9\"],\"searches\":[\"a.b\"],\"options\":[\"ndots:5\"]},\"log_directory\":\"/tmp/$N\",\"linux\":{\"sysctls\":{\"kernel.shm_rmid_forced\":\"1\",\"net.ipv4.ip_forward\":\"0\"},\"security_context\":{\"namespace_options\":{\"network\":0}}}}
END
        p=$(crictl runp -r $R /tmp/$N.pod); c=$(start $N $p c 'echo ready; sleep 1000'); await c ready; crictl exec -s $c sh -c 'hostname; cat /etc/hostname /etc/resolv.conf; cat /proc/sys/kernel/shm_rmid_forced /proc/sys/net/ipv4/ip_forward; echo shared > /dev/shm/x; grep -c localhost /etc/hosts' | grep .; d=$(start $N $p d 'cat /dev/shm/x; hostname'); ended $d; log d; end",
        "podhost\npodhost\nsearch a.b\nnameserver 10.9.9.9\noptions ndots:5\n1\n0\n2\nCONTAINER_EXITED 0 Completed\nstdout F shared\nstdout F podhost"),
    differs("who is in the pod", "p=$(pod $N); c=$(start $N $p c 'echo ready; sleep 1000 & sleep 0.05; exec sleep 2000'); await c ready; crictl exec -s $c sh -c '(sleep 0.05 & echo $! > /dev/shm/o); while grep -qs State:.[RSD] /proc/$(cat /dev/shm/o)/status; do sleep 0.05; done; sleep 0.3; tr \"\\0\" \" \" < /proc/1/cmdline; grep -E \"^(Name|Uid|CapEff)\" /proc/1/status; ls /proc/1/root 2>&1 | head -n 1; grep -l zombie /proc/[0-9]*/status 2>/dev/null | wc -l' | grep .; end",
        "sleep 100000 Name:\tsleep\nUid:\t0\t0\t0\t0\nCapEff:\t00000000a80425fb\nbin\n1",
        "tare-init Name:\ttare-init\nUid:\t65534\t65534\t65534\t65534\nCapEff:\t0000000000000000\nls: /proc/1/root: Permission denied\n0"),
    says("a namespace that the pod has not", "p=$(pod $N ', \"pid\": 1'); c=$(start $N $p c 'echo $$; exec sleep 1000' '{linux: {security_context: {namespace_options: {pid: 0}}}}'); await c F; crictl exec -s $c ps -o args | grep -c containerd; end", "0"),
    apart("containerd and its pods", "p=$(pod $N); c=$(start $N $p c 'echo ready; sleep 1000'); await c ready; kill -9 $(cat /run/containerd.pid); sh /run/serve; crictl inspectp -o json $p | jq -r .status.state; state $c; d=$(start $N $p d 'sleep 2000'); crictl exec -s $d ps -o args | grep -c '^sleep [12]000$'; crictl stopp $p >/dev/null; crictl inspectp -o json $p | jq -r .status.state; state $c; end",
        "SANDBOX_READY\nCONTAINER_RUNNING 0 \n2\nSANDBOX_NOTREADY\nCONTAINER_EXITED 137 Error"),
];

const PODS: &[Row] = &[
    says("a pod and its container", "p=$(pod $N); c=$(start $N $p c 'echo out; echo err >&2; echo ready; exec sleep 1000'); await c ready; log c | sort; state $c
        crictl exec -s $c echo in | grep .; crictl exec -s $c false 2>/dev/null; echo $?; crictl stop -t 0 $c >/dev/null; ended $c; crictl rm $c >/dev/null
        crictl stopp $p >/dev/null; crictl inspectp -o json $p | jq -r .status.state; crictl rmp $p >/dev/null; crictl pods -q | grep $p",
        "stderr F err\nstdout F out\nstdout F ready\nCONTAINER_RUNNING 0 \nin\n1\nCONTAINER_EXITED 137 Error\nSANDBOX_NOTREADY"),
    // As its own containerd's: crictl reads what our shim writes.
    says("a log of ours", "p=$(pod $N); c=$(start $N $p c 'exit 0'); ended $c >/dev/null; rm /tmp/$N/c.log; i=docker.io/library/busybox:latest; ctr -n k8s.io run --rm --runtime io.containerd.tare.v2 --log-uri cri:///tmp/$N/c.log $i $N-log sh -c 'echo out; echo err >&2; head -c 20000 /dev/zero | tr \"\\\\0\" x; echo; printf end'
        crictl logs $c 2>/dev/null | tr -s x; crictl logs $c 2>&1 >/dev/null; crictl logs $c 2>/dev/null | wc -c; crictl logs --tail 1 $c 2>/dev/null; end", "out\nx\nend\nerr\n20009\nend"),
    says("how containers end", "p=$(pod $N); for code in 0 7; do ended $(start $N $p c$code \"exit $code\"); done; ended $(start $N $p term 'kill -TERM $$'); end",
        "CONTAINER_EXITED 0 Completed\nCONTAINER_EXITED 7 Error\nCONTAINER_EXITED 143 Error"),
    says("not found", "p=$(pod $N); c=$(create $N $p c x '{command: [\"nosuch\"]}'); crictl start $c 2>&1 | grep -o 'executable file not found in $PATH' | head -n 1; ended $c | cut -d' ' -f1; end",
        "executable file not found in $PATH\nCONTAINER_EXITED"),
    says("stop waits for it", "p=$(pod $N); c=$(start $N $p c 'trap \"exit 5\" TERM; echo ready; while :; do sleep 0.05; done'); await c ready; crictl stop -t 10 $c >/dev/null; state $c; end", "CONTAINER_EXITED 5 Error"),
    says("containers of one pod", "p=$(pod $N); a=$(start $N $p a 'echo ready; sleep 1000'); await a ready; b=$(start $N $p b 'sleep 2000'); crictl exec -s $b ps -o args | grep -c '^sleep [12]000$'; for n in ipc uts; do [ \"$(crictl exec -s $a readlink /proc/self/ns/$n)\" = \"$(crictl exec -s $b readlink /proc/self/ns/$n)\" ] && echo $n; done
        crictl stop -t 0 $a >/dev/null; state $b; a=$(start $N $p again 'echo ready; sleep 3000'); await again ready; crictl exec -s $b ps -o args | grep -c '^sleep [123]000$'; end",
        "2\nipc\nuts\nCONTAINER_RUNNING 0 \n2"),
    says("pids of its own", "p=$(pod $N ', \"pid\": 1'); c=$(start $N $p c 'echo $$; exec sleep 1000' '{linux: {security_context: {namespace_options: {pid: 1, network: 2}}}}'); await c F; log c; crictl exec -s $c ps -o pid,args | grep -c sleep; end", "stdout F 1\n1"),
    says("terminals", "p=$(pod $N); c=$(create $N $p c 'tty; echo ready; exec sleep 1000' '{tty: true, stdin: true}'); crictl start $c >/dev/null; await c ready; log c | tr -d '\\r'; script -qec \"crictl exec -it $c sh -c 'tty; exit 4'\" /dev/null </dev/null | tr -d '\\r' | grep -o '/dev/pts/1'; end", "stdout F /dev/pts/0\nstdout F ready\n/dev/pts/1"),
    says("a runtime of its own choice", "[ $R = runc ] || R=tare-runc; p=$(pod $N); c=$(start $N $p c 'trap \"exit 5\" TERM; echo ready; while :; do sleep 0.05; done'); await c ready; ls /run/containerd/runc/k8s.io | grep -c -e $c -e $p; crictl exec -s $c echo in | grep .; crictl stop -t 10 $c >/dev/null; state $c; end", "2\nin\nCONTAINER_EXITED 5 Error"),
    differs("the time of an exec is over", "p=$(pod $N); c=$(start $N $p c 'echo ready; exec sleep 1000'); await c ready; timeout 5 crictl exec -s --timeout 1 $c sh -c 'sleep 2005 & sleep 2006; true' 2>&1 | grep -o 'timeout 1s exceeded' | head -n 1; crictl exec -s $c ps -o args | grep -c '^sleep 200[56]$'; crictl exec -s $c pkill sleep >/dev/null 2>&1; end", "2", "timeout 1s exceeded\n0"),
    apart("containerd is killed", "p=$(pod $N); c=$(start $N $p c 'trap \"exit 6\" TERM; echo ready; while :; do sleep 0.05; done'); await c ready; kill -9 $(cat /run/containerd.pid); sh /run/serve; state $c; crictl exec -s $c echo still | grep .; crictl stop -t 10 $c >/dev/null; state $c; end",
        "CONTAINER_RUNNING 0 \nstill\nCONTAINER_EXITED 6 Error"),
    // runc's shim loses the end: see docker's table.
    differs("a container ends while containerd is away", "p=$(pod $N); c=$(start $N $p c 'until [ -e /go ]; do sleep 0.05; done; exit 9'); i=$(crictl inspect -o json $c | jq -r .info.pid); kill -9 $(cat /run/containerd.pid); touch /proc/$i/root/go; while kill -0 $i 2>/dev/null; do sleep 0.05; done; sh /run/serve; ended $c; end",
        "CONTAINER_EXITED 255 Unknown", "CONTAINER_EXITED 9 Error").apart(),
    apart("many pods at once", "for i in $(seq 12); do { p=$(pod $N-$i); c=$(start $N-$i $p c$i \"exit $i\"); ended $c; end || echo \"not removed\"; } >/tmp/$N-$i.out & done; wait; cat /tmp/$N-*.out | sort -k2n | cut -d' ' -f2 | paste -sd ' '", "1 2 3 4 5 6 7 8 9 10 11 12"),
];

const LIMITS: &[Row] = &[
    // containerd hears of the end and of the reason on two ways.
    says("out of memory", "p=$(pod $N); c=$(start $N $p c 'tail /dev/zero' '{linux: {resources: {memory_limit_in_bytes: 16777216}}}'); until state $c | grep -q OOMKilled; do sleep 0.05; done; ended $c; end", "CONTAINER_EXITED 137 OOMKilled"),
    same("limits and their update", "p=$(pod $N); c=$(start $N $p c 'sleep 1000' '{linux: {resources: {memory_limit_in_bytes: 33554432, cpu_shares: 512, cpu_quota: 20000, cpu_period: 50000}}}'); i=$(crictl inspect -o json $c | jq -r .info.pid)
        look() { g=$(grep memory: /proc/$i/cgroup | cut -d: -f3); cat /sys/fs/cgroup/memory$g/memory.limit_in_bytes; g=$(grep ':cpu' /proc/$i/cgroup | head -n 1 | cut -d: -f3); cat /sys/fs/cgroup/cpu$g/cpu.shares /sys/fs/cgroup/cpu$g/cpu.cfs_quota_us; }
        look; crictl update --memory 67108864 --cpu-share 256 --cpu-quota 30000 $c >/dev/null; look; end"),
    same("statistics", "p=$(pod $N); c=$(start $N $p c 'sleep 1000' '{linux: {resources: {memory_limit_in_bytes: 33554432}}}'); sleep 0.2; crictl stats -o json $c | jq -c '.stats[0] | [(.cpu.usageCoreNanoSeconds.value | tonumber > 0), (.memory.workingSetBytes.value | tonumber > 0), (.memory.availableBytes.value | tonumber > 30000000)]'; end"),
];

/// What a pod's tables need beside an engine.
fn needs() -> Vec<Need> {
    NEEDS.iter().cloned().chain([Need::Fixture("crictl")]).collect()
}

#[test]
fn pods() {
    test(&needs(), |world| run(world, &CRI, PODS));
}

#[test]
fn limits() {
    test(&needs(), |world| run(world, &CRI, LIMITS));
}

#[test]
fn sandboxes() {
    test(&needs(), |world| run(world, &SANDBOX, SANDBOXES));
}

#[test]
fn sandboxes_pods() {
    test(&needs(), |world| run(world, &SANDBOX, PODS));
}

#[test]
fn sandboxes_limits() {
    test(&needs(), |world| run(world, &SANDBOX, LIMITS));
}
