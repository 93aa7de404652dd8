//! A container's life: run, stop, kill, pause, restart, exec, attach, and how each ends.

use super::{DOCKER, SHIM};
use crate::machine::NEEDS;
use crate::table::{Engine, Row, differs, run, same, says};
use tare_kit::test;

const ENDS: &[Row] = &[
    says("prints", "run --rm busybox echo hello", "hello"),
    says("code", "run --rm busybox sh -c 'exit 3'; echo $?", "3"),
    says(
        "code of a signal",
        "run --rm busybox sh -c 'sleep 100 & kill -SEGV $!; wait $!'; echo $?",
        "139",
    ),
    says(
        "not found",
        "run --rm busybox nosuch 2>&1 | grep -o 'executable file not found in $PATH'; run busybox nosuch 2>/dev/null; echo $?; state; end",
        "executable file not found in $PATH\n127\ncreated 127 oom=false",
    ),
    says(
        "not found by path",
        "run --rm busybox /no/such 2>&1 | grep -o 'stat /no/such: no such file or directory'; run busybox /no/such 2>/dev/null; echo $?; end",
        "stat /no/such: no such file or directory\n127",
    ),
    says(
        "not executable",
        "run --rm busybox /etc/passwd 2>&1 | grep -o 'exec: \"/etc/passwd\": permission denied'; run busybox /etc/passwd 2>/dev/null; echo $?; end",
        "exec: \"/etc/passwd\": permission denied\n126",
    ),
    says("a folder", "run busybox /etc 2>/dev/null; echo $?; end", "126"),
    differs(
        "no format",
        "printf 'no program' > /tmp/$N; chmod 755 /tmp/$N; run -v /tmp/$N:/x busybox /x 2>/dev/null; echo $?; state; end",
        "255\nexited 255 oom=false",
        "126\ncreated 126 oom=false",
    ),
    same(
        "no folder to work in",
        "run -w /etc/passwd busybox true 2>/dev/null; echo $?; end",
    ),
    says(
        "standard input",
        "printf 'one\\ntwo\\n' | run --rm -i busybox wc -l",
        "2",
    ),
    says(
        "both outputs",
        "run --rm busybox sh -c 'echo out; echo err >&2' 2>/dev/null",
        "out",
    ),
    says(
        "lots",
        "run --rm busybox sh -c 'head -c 3000000 /dev/zero' | wc -c",
        "3000000",
    ),
    says(
        "events",
        "run busybox sh -c 'exit 3'; docker start $N >/dev/null; docker wait $N >/dev/null; docker rename $N $N-2; events; docker rm $N-2 >/dev/null",
        "create\nattach\nstart\ndie 3\nstart\ndie 3\nrename",
    ),
];

/// docker reads the log that our shim writes beside docker's containerd, as it reads its own.
const LOGS: &[Row] = &[says(
    "a log of ours",
    r#"says=$(cat <<'END'
echo out; echo err >&2; printf 'a<b>&"\\\t\n'; head -c 20000 /dev/zero | tr '\0' x; echo; printf end
END
)
    run busybox true; log=$(docker inspect -f '{{.LogPath}}' $N); ctr() { command ctr -a /run/docker/containerd/containerd.sock "$@"; }
    ctr image import /busybox.tar >/dev/null; ctr run --rm --runtime io.containerd.tare.v2 --log-uri "json-file://$log" docker.io/library/busybox:latest $N-log sh -c "$says"
    docker logs $N 2>/dev/null | tr -s x; echo; docker logs $N 2>&1 >/dev/null; docker logs $N 2>/dev/null | wc -c; docker logs --tail 1 $N; end"#,
    "out\na<b>&\"\\\t\nx\nend\nerr\n20017\nend",
)];

const STOPS: &[Row] = &[
    says("stop", "run -d busybox sh -c 'trap \"echo term; exit 7\" TERM; echo ready; while :; do sleep 0.05; done' >/dev/null; await ready; docker stop $N >/dev/null; docker logs $N; state; end",
        "ready\nterm\nexited 7 oom=false"),
    says("stop with another signal", "run -d --stop-signal USR1 busybox sh -c 'trap \"exit 8\" USR1; echo ready; while :; do sleep 0.05; done' >/dev/null; await ready; docker stop $N >/dev/null; state; end",
        "exited 8 oom=false"),
    says("stop of what does not listen", "run -d busybox sleep 1000 >/dev/null; docker stop -t 1 $N >/dev/null; state; end", "exited 137 oom=false"),
    says("kill", "run -d busybox sleep 1000 >/dev/null; docker kill $N >/dev/null; state; docker kill $N 2>&1 | grep -c 'is not running'; end", "exited 137 oom=false\n1"),
    says("kill with a signal", "run -d busybox sh -c 'trap \"echo hup\" HUP; trap \"exit 9\" USR2; echo ready; while :; do sleep 0.05; done' >/dev/null; await ready; docker kill -s HUP $N >/dev/null; await hup; docker kill -s USR2 $N >/dev/null; docker wait $N; end", "9"),
    says("pause", "run -d busybox sh -c 'echo x >> /x; echo ready; while :; do echo x >> /x; sleep 0.01; done' >/dev/null; await ready; docker pause $N >/dev/null; docker inspect -f '{{.State.Status}} {{.State.Paused}}' $N
        docker exec $N true 2>&1 | grep -o 'is paused'; docker diff $N | wc -l
        a=$(docker cp $N:/x - | wc -c); sleep 0.3; b=$(docker cp $N:/x - | wc -c); [ $a = $b ] && echo frozen; docker unpause $N >/dev/null; state; docker exec $N true && echo thawed; end",
        "paused true\nis paused\n1\nfrozen\nrunning 0 oom=false\nthawed"),
    says("stop of a paused one", "run -d busybox sleep 1000 >/dev/null; docker pause $N >/dev/null; docker stop -t 1 $N >/dev/null; state; end", "exited 137 oom=false"),
    says("remove of a paused one", "run -d busybox sleep 1000 >/dev/null; docker pause $N >/dev/null; end; docker ps -aq --filter name=$N", ""),
    says("restart", "run -d busybox sh -c 'echo begun; exec sleep 1000' >/dev/null; await begun; docker restart -t 0 $N >/dev/null; until [ $(docker logs $N | wc -l) = 2 ]; do sleep 0.2; done; docker logs $N; state; end", "begun\nbegun\nrunning 0 oom=false"),
    says("start again", "run busybox sh -c 'echo x >> /x; wc -l < /x; exit 5'; docker start -a $N; echo $?; end", "1\n2\n5"),
    says("create start attach", "docker create --runtime $R --network none --name $N -i busybox cat >/dev/null; state; echo in | docker start -ai $N; state; end", "created 0 oom=false\nin\nexited 0 oom=false"),
    says("remove of a created one", "docker create --runtime $R --network none --name $N busybox true >/dev/null; docker rm $N >/dev/null; docker ps -aq --filter name=$N", ""),
    says("remove of a running one", "run -d busybox sleep 1000 >/dev/null; docker rm $N 2>&1 | grep -o 'container is running'; end; docker ps -aq --filter name=$N", "container is running"),
    says("restart policy", "run -d --restart on-failure:2 busybox sh -c 'echo x; exit 4' >/dev/null; while [ $(docker inspect -f '{{.RestartCount}}{{.State.Running}}{{.State.Restarting}}' $N) != 2falsefalse ]; do sleep 0.2; done; docker logs $N; state; end",
        "x\nx\nx\nexited 4 oom=false"),
    says("restart policy always", "run -d --restart always busybox sh -c 'sleep 0.2' >/dev/null; while [ $(docker inspect -f '{{.RestartCount}}' $N) -lt 2 ]; do sleep 0.2; done; docker stop -t 0 $N >/dev/null; end; docker ps -aq --filter name=$N", ""),
    says("healthcheck", "run -d --health-cmd 'test -e /good' --health-interval 200ms --health-retries 1 busybox sleep 1000 >/dev/null; health() { while [ $(docker inspect -f '{{.State.Health.Status}}' $N) != $1 ]; do sleep 0.2; done; echo $1; }
        health unhealthy; docker exec $N touch /good; health healthy; end", "unhealthy\nhealthy"),
];

const EXECS: &[Row] = &[
    says("exec", "run -d busybox sleep 1000 >/dev/null
        docker exec $N sh -c 'echo out; exit 6'; echo $?
        echo in | docker exec -i $N cat
        docker exec -u 1000:100 -w /tmp -e A=b $N sh -c 'id; pwd; echo $A; umask'
        docker exec -u nobody $N id
        docker exec $N nosuch 2>&1 | grep -o 'executable file not found in $PATH'; docker exec $N nosuch >/dev/null 2>&1; echo $?
        docker exec $N /etc/passwd >/dev/null 2>&1; echo $?
        docker exec -w /no/such $N true >/dev/null 2>&1; echo $?
        docker exec $N sh -c 'sh -c \"kill -TERM \\$\\$\"'; echo $?
        docker exec $N sh -c 'head -c 3000000 /dev/zero' | wc -c
        end",
        "out\n6\nin\nuid=1000 gid=100(users) groups=100(users)\n/tmp\nb\n0022\nuid=65534(nobody) gid=65534(nogroup) groups=100(users),65534(nogroup)\nexecutable file not found in $PATH\n127\n126\n127\n143\n3000000"),
    says("exec detached", "run -d busybox sleep 1000 >/dev/null; docker exec -d $N sh -c 'echo done > /d; sleep 1000'; docker exec $N sh -c 'until [ -s /d ]; do sleep 0.01; done; cat /d'; docker top $N -o pid,args | grep -c 'sleep 1000'; end", "done\n2"),
    same("rights of exec", "run -d --cap-drop ALL --cap-add CHOWN --security-opt no-new-privileges busybox sleep 1000 >/dev/null
        for option in '' --privileged '-u 1000'; do docker exec $option $N grep -E '^(Cap|Seccomp|NoNew|Groups)' /proc/self/status; done; end"),
    // In a freezer of its own below the container's under our shim.
    says("exec is in the container", "run -d busybox sleep 1000 >/dev/null
        docker exec $N sh -c 'for n in pid mnt net ipc uts cgroup user; do [ $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) ] || echo $n; done; for p in 1 self; do grep -v :freezer: /proc/$p/cgroup > /$p; done; cmp /1 /self && echo group'; end", "group"),
    says("exec ends with it", "run -d busybox sh -c 'until [ -e /go ]; do sleep 0.05; done' >/dev/null; docker exec $N sh -c 'touch /go; sleep 1000'; echo $?; end", "137"),
    says("top", "run -d busybox sh -c 'sleep 1000 & sleep 2000' >/dev/null; until [ $(docker top $N -o pid,args | grep -cE '^[0-9]+ +sleep [12]000$') = 2 ]; do sleep 0.2; done; docker top $N -eo pid,args | grep -o '[a-z].*'; end", "sleep 2000\nsleep 1000"),
];

const TERMINALS: &[Row] = &[
    says(
        "terminal",
        "run --rm -t busybox sh -c 'tty; test -t 0 && test -t 1 && test -t 2 && echo three; ls -l /dev/console | cut -c1-10; echo err >&2' | tr -d '\\r'",
        "/dev/pts/0\nthree\ncrw--w----\nerr",
    ),
    says(
        "exec with a terminal",
        "run -d busybox sleep 1000 >/dev/null; docker exec -t $N sh -c 'tty; exit 4' | tr -d '\\r'; docker exec -t $N sh -c 'exit 4' ; echo $?; end",
        "/dev/pts/0\n4",
    ),
    says(
        "typed into",
        "printf 'until stty size 2>/dev/null | grep .; do :; done; exit 3\\r' | script -qec \"stty rows 33 cols 44; docker run --rm --runtime $R --network none --name $N -it busybox sh\" /dev/null | grep -o '^33 44'; docker ps -aq --filter name=$N",
        "33 44",
    ),
    says(
        "exec typed into",
        "run -d busybox sleep 1000 >/dev/null; printf 'until stty size 2>/dev/null | grep .; do :; done; exit 3\\r' | script -qec \"stty rows 34 cols 45; docker exec -it $N sh\" /dev/null | grep -o '^34 45'; script -qec \"docker exec -it $N sh -c 'exit 5'\" /dev/null </dev/null >/dev/null; echo $?; end",
        "34 45\n5",
    ),
    says(
        "resized",
        "run -d -it busybox sh -c 'trap \"stty size\" WINCH; echo ready; while :; do sleep 0.05; done' >/dev/null; await ready; (await '11 12'; docker kill $N >/dev/null) & script -qec \"stty rows 11 cols 12; docker attach $N\" /dev/null </dev/null >/dev/null; docker logs $N | tr -d '\\r' | grep -o '11 12' | head -n 1; end",
        "11 12",
    ),
    says(
        "hang up",
        "run -d -t busybox sh -c 'trap \"exit 3\" HUP; echo ready; while :; do sleep 0.05; done' >/dev/null; await ready; docker kill -s HUP $N >/dev/null; docker wait $N; end",
        "3",
    ),
];

#[test]
fn how_it_ends() {
    test(NEEDS, |world| run(world, &DOCKER, ENDS));
}

#[test]
fn stop_kill_pause_restart() {
    test(NEEDS, |world| run(world, &DOCKER, STOPS));
}

#[test]
fn exec() {
    test(NEEDS, |world| run(world, &DOCKER, EXECS));
}

#[test]
fn terminals() {
    test(NEEDS, |world| run(world, &DOCKER, TERMINALS));
}

#[test]
fn shim_ends() {
    test(NEEDS, |world| run(world, &SHIM, ENDS));
}

#[test]
fn shim_stop_kill_pause_restart() {
    test(NEEDS, |world| run(world, &SHIM, STOPS));
}

#[test]
fn shim_exec() {
    test(NEEDS, |world| run(world, &SHIM, EXECS));
}

#[test]
fn shim_terminals() {
    test(NEEDS, |world| run(world, &SHIM, TERMINALS));
}

#[test]
fn shim_logs() {
    // The group of ctr's own namespace.
    let keeps = &["/default", "/docker", "/tare/supervisors", "/tare"];
    test(NEEDS, |world| run(world, &Engine { keeps, ..SHIM }, LOGS));
}
