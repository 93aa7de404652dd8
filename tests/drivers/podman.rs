//! podman: conmon calls the runtime; there is no daemon.

use crate::machine::NEEDS;
use crate::table::{Engine, Row, differs, run, same, says};
use tare_kit::test;

const PODMAN: Engine = Engine {
    start: r#"mkdir -p /etc/containers
printf '[engine]\ncgroup_manager="cgroupfs"\nevents_logger="file"\n[engine.runtimes]\ntare=["/opt/tare/tare-runtime"]\n' > /etc/containers/containers.conf
podman load -q -i /busybox.tar"#,
    // With any runtime it leaves the groups of pods in systemd's own hierarchy.
    stop: "find /sys/fs/cgroup/systemd/libpod_parent -mindepth 1 -depth -type d ! -name conmon -exec rmdir {} + 2>/dev/null; true",
    prelude: r#"podman() { command podman --runtime "$R" --log-level error "$@"; }
run() { podman run --network none --name "$N" "$@"; }
state() { podman inspect -f '{{.State.Status}} {{.State.ExitCode}} oom={{.State.OOMKilled}}' "$N" | sed s/^stopped/exited/; }
await() { until podman logs "$N" 2>&1 | grep -q "$1"; do sleep 0.2; done; }
end() { podman rm -f -t 0 "$N" >/dev/null; }"#,
    runtimes: ["crun", "tare"],
    // What was to be removed at its end is removed by a process that nobody waits for.
    list: "for i in $(seq 50); do left=$(podman ps -aq; podman pod ps -q); [ -n \"$left\" ] || break; sleep 0.1; done; echo -n \"$left\"",
    fixtures: &[],
    clear: "podman rm -af -t 0; podman pod rm -af -t 0",
    keeps: &["/libpod_parent/conmon", "/libpod_parent"],
};

const ENDS: &[Row] = &[
    says("prints", "run --rm busybox echo hello", "hello"),
    says(
        "codes",
        "for code in 0 3 255; do run --rm busybox sh -c \"exit $code\"; echo $?; done",
        "0\n3\n255",
    ),
    says(
        "code of a signal",
        "run --rm busybox sh -c 'sleep 100 & kill -SEGV $!; wait $!'; echo $?",
        "139",
    ),
    says(
        "not found",
        "run --rm busybox nosuch 2>/dev/null; echo $?; run --rm busybox /no/such 2>/dev/null; echo $?",
        "127\n127",
    ),
    says(
        "not executable",
        "run --rm busybox /etc/passwd 2>/dev/null; echo $?; run --rm busybox /etc 2>/dev/null; echo $?",
        "126\n126",
    ),
    says(
        "which kind of wrong",
        "run --rm busybox nosuch 2>&1 | grep -o 'OCI runtime attempted to invoke a command that was not found'; run --rm busybox /etc/passwd 2>&1 | grep -io 'OCI permission denied'",
        "OCI runtime attempted to invoke a command that was not found\nOCI permission denied",
    ),
    differs(
        "no format",
        "printf 'no program' > /tmp/$N; chmod 755 /tmp/$N; run -v /tmp/$N:/x busybox /x 2>/dev/null; echo $?; end",
        "1",
        "126",
    ),
    same(
        "no folder to work in",
        "run --rm -w /etc/passwd busybox true 2>/dev/null; echo $?",
    ),
    says(
        "standard input",
        "printf 'one\\ntwo\\n' | run --rm -i busybox wc -l",
        "2",
    ),
    says(
        "lots",
        "run --rm busybox sh -c 'head -c 3000000 /dev/zero' | wc -c",
        "3000000",
    ),
    says(
        "logs",
        "run -d busybox sh -c 'echo out; echo err >&2' >/dev/null; podman wait $N; podman logs $N 2>/dev/null; podman logs $N 2>&1 >/dev/null; end",
        "0\nout\nerr",
    ),
    says(
        "stop",
        "run -d busybox sh -c 'trap \"echo term; exit 7\" TERM; echo ready; while :; do sleep 0.05; done' >/dev/null; await ready; podman stop $N >/dev/null; podman logs $N; state; end",
        "ready\nterm\nexited 7 oom=false",
    ),
    says(
        "stop of what does not listen",
        "run -d busybox sleep 1000 >/dev/null; podman stop -t 1 $N >/dev/null 2>&1; state; end",
        "exited 137 oom=false",
    ),
    says(
        "kill",
        "run -d busybox sleep 1000 >/dev/null; podman kill $N >/dev/null; podman wait $N; state; end",
        "137\nexited 137 oom=false",
    ),
    says(
        "kill with a signal",
        "run -d busybox sh -c 'trap \"echo hup\" HUP; trap \"exit 9\" USR2; echo ready; while :; do sleep 0.05; done' >/dev/null; await ready; podman kill -s HUP $N >/dev/null; await hup; podman kill -s USR2 $N >/dev/null; podman wait $N; end",
        "9",
    ),
    says(
        "pause",
        "run -d busybox sleep 1000 >/dev/null; podman pause $N >/dev/null; state; podman exec $N true 2>/dev/null; echo $?; podman unpause $N >/dev/null; state; podman exec $N true && echo thawed; end",
        "paused 0 oom=false\n255\nrunning 0 oom=false\nthawed",
    ),
    says(
        "remove of a paused one",
        "run -d busybox sleep 1000 >/dev/null; podman pause $N >/dev/null; end; podman ps -aq --filter name=$N",
        "",
    ),
    says(
        "restart",
        "run -d busybox sh -c 'echo begun; exec sleep 1000' >/dev/null; await begun; podman restart -t 0 $N >/dev/null; until [ $(podman logs $N | wc -l) = 2 ]; do sleep 0.2; done; state; end",
        "running 0 oom=false",
    ),
    says(
        "start again",
        "run busybox sh -c 'echo x >> /x; wc -l < /x; exit 5'; podman start -a $N; echo $?; end",
        "1\n2\n5",
    ),
    says(
        "create init start",
        "podman create --network none --name $N busybox sh -c 'echo in; exit 3' >/dev/null; state; podman init $N >/dev/null; state; podman start -a $N; echo $?; end",
        "created 0 oom=false\ninitialized 0 oom=false\nin\n3",
    ),
    says(
        "remove of one that was made and not started",
        "podman create --network none --name $N busybox true >/dev/null; podman init $N >/dev/null; end; podman ps -aq --filter name=$N",
        "",
    ),
    says(
        "restart policy",
        "run -d --restart on-failure:2 busybox sh -c 'echo x; exit 4' >/dev/null; until [ $(podman logs $N | wc -l) = 3 ]; do sleep 0.2; done; podman wait $N; podman inspect -f '{{.RestartCount}}' $N; end",
        "4\n2",
    ),
    says(
        "healthcheck",
        "run -d --health-cmd 'test -e /good' --health-interval disable --health-retries 1 busybox sleep 1000 >/dev/null; podman healthcheck run $N >/dev/null; echo $?; podman exec $N touch /good; podman healthcheck run $N; echo $?; podman inspect -f '{{.State.Health.Status}}' $N; end",
        "1\n0\nhealthy",
    ),
    says(
        "its name",
        "podman info -f '{{.Host.OCIRuntime.Name}}' | sed s/crun/tare/",
        "tare",
    ),
];

const EXECS: &[Row] = &[
    says("exec", "run -d busybox sleep 1000 >/dev/null
        podman exec $N sh -c 'echo out; exit 6'; echo $?
        echo in | podman exec -i $N cat
        podman exec -u 1000:100 -w /tmp -e A=b $N sh -c 'id; pwd; echo $A; umask'
        podman exec -u nobody $N id
        podman exec $N nosuch >/dev/null 2>&1; echo $?
        podman exec $N /etc/passwd >/dev/null 2>&1; echo $?
        podman exec -w /no/such $N true >/dev/null 2>&1; echo $?
        podman exec $N sh -c 'sleep 100 & kill -TERM $!; wait $!'; echo $?
        podman exec $N sh -c 'head -c 3000000 /dev/zero' | wc -c
        end",
        "out\n6\nin\nuid=1000 gid=100(users) groups=100(users)\n/tmp\nb\n0022\nuid=65534(nobody) gid=65534(nogroup) groups=100(users),65534(nogroup)\n127\n126\n127\n143\n3000000"),
    says("exec detached", "run -d busybox sleep 1000 >/dev/null; podman exec -d $N sh -c 'echo done > /d; sleep 1000' >/dev/null; podman exec $N sh -c 'until [ -s /d ]; do sleep 0.01; done; cat /d'; podman top $N args | grep -c 'sleep 1000'; end", "done\n2"),
    same("rights of exec", "run -d --cap-drop ALL --cap-add CHOWN --security-opt no-new-privileges busybox sleep 1000 >/dev/null
        for option in '' --privileged '-u 1000'; do podman exec $option $N grep -E '^(Cap|Seccomp|NoNew|Groups)' /proc/self/status; done; end"),
    says("terminals", "run --rm -t busybox sh -c 'tty; test -t 0 && test -t 1 && test -t 2 && echo three' | tr -d '\\r'; run -d busybox sleep 1000 >/dev/null; podman exec -t $N sh -c 'tty; exit 4' | tr -d '\\r'; podman exec -t $N sh -c 'exit 4' ; echo $?; end", "/dev/pts/0\nthree\n/dev/pts/0\n4"),
    says("exec ends with it", "run -d busybox sh -c 'until [ -e /go ]; do sleep 0.05; done' >/dev/null; podman exec $N sh -c 'touch /go; sleep 1000'; echo $?; end", "137"),
    says("exec of a session that keeps fds", "run -d busybox sleep 1000 >/dev/null; exec 3</etc/hostname; podman exec --preserve-fds 1 $N sh -c 'cat <&3 | wc -l'; end", "1"),
];

const LIMITS: &[Row] = &[
    says("out of memory", "run -m 16m busybox sh -c 'tail /dev/zero; code=$?; sleep 0.5; exit $code'; echo $?; state; end", "137\nexited 137 oom=true"),
    says("killed but not for memory", "run -d -m 16m busybox sleep 1000 >/dev/null; podman kill $N >/dev/null; podman wait $N; state; end", "137\nexited 137 oom=false"),
    says("processes", "run --rm --pids-limit 5 busybox sh -c 'for i in 1 2 3 4 5 6 7; do sleep 1000 & done; wait' 2>&1 | grep -c \"can't fork\"", "1"),
    same("files", "run --rm -m 32m --memory-reservation 16m --memory-swap 48m --cpus 1.5 --cpu-shares 100 --cpuset-cpus 0 --cpuset-mems 0 --pids-limit 33 busybox sh -c 'cd /sys/fs/cgroup; for f in memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes memory/memory.soft_limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpu/cpu.shares cpuset/cpuset.cpus cpuset/cpuset.mems pids/pids.max; do echo $f; sort $f; done' 2>&1"),
    says("update", "run -d -m 32m busybox sleep 1000 >/dev/null; podman update -m 64m --memory-swap 128m --cpus 0.25 --cpu-shares 99 --cpuset-cpus 0 --pids-limit 44 $N >/dev/null
        podman exec $N sh -c 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes cpu/cpu.cfs_quota_us pids/pids.max cpu/cpu.shares cpuset/cpuset.cpus'; end", "67108864\n134217728\n25000\n44\n99\n0"),
    says("stats", "run -d -m 32m busybox sh -c 'sleep 1000 & sleep 1000' >/dev/null; until [ $(podman top $N args | grep -c '^sleep') = 2 ]; do sleep 0.2; done; podman stats --no-stream --format '{{.PIDs}} {{.MemUsage}}' $N | sed 's/[0-9.]*[kKM]B \\//used of/'; end", "2 used of 33.55MB"),
];

macro_rules! looks {
    ($($name:literal, $options:literal;)*) => {
        &[$(same($name, concat!(host!(), "podman run --rm --network none -v /tmp/$N:/host ", $options, " busybox ", look!(), " | sed -E '/console/d; s/(nobody   nogroup|root     root) +[0-9]+ mqueue/mqueue/; s#(/dev/(null|zero|full|tty|u?random)) .*#\\1#'")),)*]
    };
}

const LOOKS: &[Row] = looks! {
    "looks", "--hostname looked";
    "looks with a terminal", "-t";
    "looks privileged", "--privileged";
    "looks as a user", "--user 1000:1000 --group-add 7 --group-add users";
    "looks without capabilities", "--cap-drop ALL --security-opt no-new-privileges";
    "looks with capabilities", "--cap-add NET_ADMIN --cap-add SYS_ADMIN --cap-drop CHOWN --user nobody";
    "looks unconfined", "--security-opt seccomp=unconfined --security-opt unmask=ALL";
    "looks read-only", "--read-only --tmpfs /tmp:size=1m,mode=700,noexec";
    "looks through namespaces of the host", "--pid host --ipc host --uts host --cgroupns host";
    "looks from a user namespace", "--cgroupns private --uidmap 0:100000:65536 --user 5:6";
    "looks with limits", "--ulimit nofile=100:200 --ulimit core=0 --oom-score-adj 500 --shm-size 1m -m 64m --cpus 0.5 --sysctl kernel.msgmax=9000 --umask 0077";
    "looks with devices", "--device /dev/zero:/dev/nil:r --device /dev/null:/dev/deep/null";
    "looks in the group of conmon", "--cgroups no-conmon";
};

const SHARING: &[Row] = &[
    says("pod", "podman pod create --name $N --network none --infra-image busybox --infra-command 'sleep 1000' --share net,ipc,uts,pid >/dev/null
        podman run -d --pod $N --name $N-a busybox sleep 2000 >/dev/null
        podman run --rm --pod $N --name $N-b busybox sh -c 'for n in net ipc uts pid; do [ $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) ] && echo $n; done; ps -o args | grep -c \"^sleep\"'
        podman pod ps --format '{{.Status}}' --filter name=$N; podman pod pause $N >/dev/null; podman inspect -f '{{.State.Status}}' $N-a; podman pod unpause $N >/dev/null; podman pod top $N args | grep -c sleep
        podman pod stop -t 0 $N >/dev/null; podman ps -a --filter pod=$N --format '{{.State}}'; podman pod start $N >/dev/null; podman ps --filter pod=$N --format '{{.State}}'; podman pod rm -f -t 0 $N >/dev/null",
        "net\nipc\nuts\npid\n2\nRunning\npaused\n2\nexited\nexited\nrunning\nrunning"),
    says("namespaces of another", "run -d --ipc shareable --hostname first busybox sleep 1000 >/dev/null
        podman run --rm --network container:$N --pid container:$N --ipc container:$N --uts container:$N busybox sh -c 'for n in pid net ipc uts; do [ $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) ] && echo $n; done; hostname'; end", "pid\nnet\nipc\nuts\nfirst"),
    says("network of the host", "podman run --rm --network host busybox sh -c 'ls /sys/class/net; readlink /proc/self/ns/net' > /tmp/$N; [ \"$(tail -n 1 /tmp/$N)\" = \"$(readlink /proc/self/ns/net)\" ] && head -n 1 /tmp/$N", "lo"),
    says("a user namespace", "run --rm --uidmap 0:100000:65536 --gidmap 0:200000:65536 busybox sh -c 'id; cat /proc/self/uid_map /proc/self/gid_map | tr -s \" \"; touch /x && echo written; mount -t tmpfs t /mnt 2>/dev/null || echo refused; stat -c %u:%g /etc /x'", "uid=0(root) gid=0(root)\n 0 100000 65536\n 0 200000 65536\nwritten\nrefused\n0:0\n0:0"),
    says("a folder as root", "run busybox true; mkdir -p /tmp/$N/root; podman export $N | tar -xC /tmp/$N/root; end; podman run --rm --network none --rootfs /tmp/$N/root /bin/sh -c 'echo here > /etc/here; pwd'; cat /tmp/$N/root/etc/here", "/\nhere"),
    says("init", "run --rm --init busybox sh -c 'cat /proc/1/comm; (sleep 0.01 &); exit 4'; echo $?", "podman-init\n4"),
    says("volumes", "mkdir -p /tmp/$N/d; echo from > /tmp/$N/d/f; run --rm -v /tmp/$N/d:/a -v /tmp/$N/d:/b:ro --mount type=tmpfs,destination=/t,tmpfs-size=8k --read-only busybox sh -c 'cat /a/f; touch /b/x 2>&1 | sed \"s/.*: //\"; touch /y 2>&1 | sed \"s/.*: //\"; touch /tmp/ok && echo ok; head -c 100000 /dev/zero 2>/dev/null > /t/x || echo full'", "from\nRead-only file system\nRead-only file system\nok\nfull"),
    says("hooks", "mkdir -p /tmp/$N/hooks; for s in createRuntime poststart poststop; do printf '{\"version\":\"1.0.0\",\"hook\":{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\"cat >/dev/null; echo %s >> /tmp/%s/log\"]},\"when\":{\"always\":true},\"stages\":[\"%s\"]}' $s $N $s > /tmp/$N/hooks/$s.json; done
        podman --hooks-dir /tmp/$N/hooks run --rm --name $N --network none busybox echo main; cat /tmp/$N/log", "main\ncreateRuntime\npoststart\npoststop"),
    says("ten at once", "for i in 0 1 2 3 4 5 6 7 8 9; do podman run -d --network none --name $N-$i --label many=$N busybox sh -c \"trap 'exit $i' TERM; echo ready; while :; do sleep 0.05; done\" >/dev/null & done; wait
        for i in 0 1 2 3 4 5 6 7 8 9; do until podman logs $N-$i | grep -q ready; do sleep 0.2; done; done
        podman ps -q --filter label=many=$N | wc -l; podman stop $(podman ps -q --filter label=many=$N) >/dev/null
        for i in 0 1 2 3 4 5 6 7 8 9; do podman inspect -f '{{.State.ExitCode}}' $N-$i; done; podman rm $(podman ps -aq --filter label=many=$N) | wc -l",
        "10\n0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10"),
];

#[test]
fn life() {
    test(NEEDS, |world| run(world, &PODMAN, ENDS));
}

#[test]
fn exec() {
    test(NEEDS, |world| run(world, &PODMAN, EXECS));
}

#[test]
fn limits() {
    test(NEEDS, |world| run(world, &PODMAN, LIMITS));
}

#[test]
fn what_it_sees() {
    test(NEEDS, |world| run(world, &PODMAN, LOOKS));
}

#[test]
fn sharing() {
    test(NEEDS, |world| run(world, &PODMAN, SHARING));
}
