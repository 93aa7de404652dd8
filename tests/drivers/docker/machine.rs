//! Many at once, ours as the default runtime, and a daemon that goes and comes back.

use super::{DOCKER, REMAPPED, SHIM};
use crate::machine::NEEDS;
use crate::table::{Row, apart, differs, run, same, says};
use tare_kit::test;

const MANY: &[Row] = &[
    says("ten at once", "for i in 0 1 2 3 4 5 6 7 8 9; do docker run -d --runtime $R --network none --name $N-$i --label many=$N -m 16m busybox sh -c \"trap 'exit $i' TERM; echo ready; while :; do sleep 0.05; done\" >/dev/null & done; wait
        for i in 0 1 2 3 4 5 6 7 8 9; do until docker logs $N-$i | grep -q ready; do sleep 0.2; done; done
        docker ps -q --filter label=many=$N | wc -l; docker stop $(docker ps -q --filter label=many=$N) >/dev/null
        for i in 0 1 2 3 4 5 6 7 8 9; do docker inspect -f '{{.State.ExitCode}}' $N-$i; done; docker rm $(docker ps -aq --filter label=many=$N) | wc -l",
        "10\n0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10"),
    says("ten execs at once", "run -d busybox sleep 1000 >/dev/null; for i in 0 1 2 3 4 5 6 7 8 9; do docker exec $N sh -c \"exit $i\" || echo $? > /tmp/$N-$i & done; wait; cat /tmp/$N-*; end", "1\n2\n3\n4\n5\n6\n7\n8\n9"),
];

const DEFAULT: &[Row] = &[
    same(
        "default runtime",
        "docker info -f '{{.DefaultRuntime}}'; docker run --rm --network none busybox echo default",
    ),
    says(
        "its name",
        "docker run -d --network none --name $N busybox sleep 1000 >/dev/null; docker inspect -f '{{.HostConfig.Runtime}}' $N; end",
        "tare",
    ),
];

/// A container ends, and then comes a daemon.
macro_rules! missed {
    () => {
        "mkdir /tmp/$N; run -d -v /tmp/$N:/mnt busybox sh -c 'until [ -e /mnt/go ]; do sleep 0.05; done; exit 6' >/dev/null
        p=$(docker inspect -f '{{.State.Pid}}' $N); kill -9 $(cat /run/dockerd.pid); rm /run/dockerd.pid; touch /tmp/$N/go; while kill -0 $p 2>/dev/null; do sleep 0.05; done
        sh /run/serve; while [ $(docker inspect -f '{{.State.Running}}' $N) = true ]; do sleep 0.2; done; state; end"
    };
}

/// runc's shim loses the end: containerd finds no process of the container any more, and takes it for a leak.
const MISSED: &[Row] = &[apart(
    "a container ends while no daemon is there",
    missed!(),
    "exited 255 oom=false",
)];

const SHIM_MISSED: &[Row] = &[differs(
    "a container ends while no daemon is there",
    missed!(),
    "exited 255 oom=false",
    "exited 6 oom=false",
)
.apart()];

const DEATH: &[Row] = &[
    apart("the daemon is killed", "run -d busybox sh -c 'trap \"exit 7\" TERM; echo ready; while :; do sleep 0.05; done' >/dev/null; await ready
        kill -9 $(cat /run/dockerd.pid); rm /run/dockerd.pid; sh /run/serve; state; docker exec $N echo still; docker stop $N >/dev/null; state; end",
        "running 0 oom=false\nstill\nexited 7 oom=false"),
    apart("the first process is killed from outside", "run -d busybox sleep 1000 >/dev/null; kill -9 $(docker inspect -f '{{.State.Pid}}' $N); docker wait $N; state; end", "137\nexited 137 oom=false"),
    apart("the shim is killed", "run -d busybox sleep 1000 >/dev/null; p=$(docker inspect -f '{{.State.Pid}}' $N); kill -9 $(ps -o ppid= $p); docker wait $N; while kill -0 $p 2>/dev/null; do sleep 0.05; done; state; end", "137\nexited 137 oom=false"),
];

const REMAP: &[Row] = &[
    says(
        "ids",
        "run --rm busybox sh -c 'id -u; cat /proc/self/uid_map | tr -s \" \"; touch /x; stat -c %u /x /etc /proc/1; mount -t tmpfs t /mnt 2>/dev/null || echo refused'",
        "0\n 0 100000 65536\n0\n0\n0\nrefused",
    ),
    says(
        "exec",
        "run -d busybox sleep 1000 >/dev/null; docker exec $N sh -c 'readlink /proc/self/ns/user; readlink /proc/1/ns/user' | uniq | wc -l; docker exec -u 5 $N id -u; docker exec -t $N tty | tr -d '\\r'; docker top $N -eo pid,user,args | tail -n 1 | tr -s ' ' | grep -o '100000 .*'; end",
        "1\n5\n/dev/pts/0\n100000 sleep 1000",
    ),
    says(
        "out of memory",
        "run -m 16m busybox sh -c 'tail /dev/zero; code=$?; sleep 0.5; exit $code'; echo $?; state; end",
        "137\nexited 137 oom=true",
    ),
    says(
        "pause and stop",
        "run -d busybox sleep 1000 >/dev/null; docker pause $N >/dev/null; state; docker unpause $N >/dev/null; docker stop -t 0 $N >/dev/null; state; end",
        "paused 0 oom=false\nexited 137 oom=false",
    ),
    says(
        "ids of the host",
        "run --rm --userns host busybox cat /proc/self/uid_map | tr -s ' '",
        " 0 0 4294967295",
    ),
    says(
        "not found",
        "run --rm busybox nosuch 2>/dev/null; echo $?; run --rm busybox /etc/passwd 2>/dev/null; echo $?",
        "127\n126",
    ),
];

#[test]
fn deaths() {
    test(NEEDS, |world| run(world, &DOCKER, &[DEATH, MISSED].concat()));
}

#[test]
fn user_namespaces() {
    test(NEEDS, |world| run(world, &REMAPPED, REMAP));
}

#[test]
fn many_at_once() {
    test(NEEDS, |world| run(world, &DOCKER, MANY));
}

#[test]
fn default_runtime() {
    test(NEEDS, |world| run(world, &DOCKER, DEFAULT));
}

#[test]
fn shim_deaths() {
    test(NEEDS, |world| run(world, &SHIM, &[DEATH, SHIM_MISSED].concat()));
}

#[test]
fn shim_many_at_once() {
    test(NEEDS, |world| run(world, &SHIM, MANY));
}
