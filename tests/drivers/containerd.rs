//! containerd: its shim calls the runtime, at the asking of ctr.

use crate::machine::NEEDS;
use crate::table::{Engine, Row, apart, differs, run, same, says};
use tare_kit::test;

/// What rows call; `$RUN` is how containers are run.
macro_rules! prelude {
    ($run:literal) => {
        concat!(
            "RUN='",
            $run,
            r#"'
I=docker.io/library/busybox:latest
run() { eval "$RUN" '"$@"'; }
await() { until grep -q "$1" /tmp/$N.log; do sleep 0.05; done; }
state() { ctr task ls | awk -v n="$N" '$1 == n { print $3 }'; }
stopped() { until [ "$(state)" = STOPPED ]; do sleep 0.05; done; }
tty() { mkfifo "/tmp/$N.in"; script -qec "$1" /dev/null <>"/tmp/$N.in" | tr -d '\r'; rm "/tmp/$N.in"; }
end() { ctr task rm -f "$N" >/dev/null 2>&1; ctr container rm "$N"; }"#
        )
    };
}

/// Starts containerd, after something.
macro_rules! serve {
    ($first:literal) => {
        concat!(
            $first,
            r#"cat > /run/serve <<'END'
PATH=/opt/tare:$PATH containerd --log-level warn >>/tmp/log 2>&1 </dev/null &
echo $! > /run/containerd.pid
until ctr image import /busybox.tar >/dev/null 2>&1; do kill -0 $! || { cat /tmp/log; exit 1; }; sleep 0.05; done
END
sh /run/serve"#
        )
    };
}

const CONTAINERD: Engine = Engine {
    start: serve!(""),
    stop: r#"pid=$(cat /run/containerd.pid); kill "$pid"; while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done"#,
    prelude: prelude!("ctr run --runc-binary $R"),
    runtimes: ["runc", "/opt/tare/tare-runtime"],
    list: "ctr container ls -q",
    fixtures: &[],
    clear: "for name in $(ctr container ls -q); do ctr task rm -f $name; ctr container rm $name; done",
    keeps: &["/default"],
};

/// The same with our shim, which makes the containers by itself, beside runc's.
pub(crate) const SHIM: Engine = Engine {
    prelude: prelude!("ctr run --runtime $R"),
    runtimes: ["io.containerd.runc.v2", "io.containerd.tare.v2"],
    keeps: &["/default", "/tare/supervisors", "/tare"],
    ..CONTAINERD
};

/// Our shim with another runtime's command, beside runc's shim with the same one: ctr gives options to ours in a file.
const SHIM_WITH_RUNC: Engine = Engine {
    start: serve!("echo 'BinaryName = \"runc\"' > /run/options.toml\n"),
    runtimes: [
        "io.containerd.runc.v2 --runc-binary runc",
        "io.containerd.tare.v2 --runtime-config-path /run/options.toml",
    ],
    ..SHIM
};

const SHIM_WITH_CRUN: Engine = Engine {
    start: serve!("echo 'BinaryName = \"crun\"' > /run/options.toml\n"),
    runtimes: [
        "io.containerd.runc.v2 --runc-binary crun",
        "io.containerd.tare.v2 --runtime-config-path /run/options.toml",
    ],
    ..SHIM
};

const LIFE: &[Row] = &[
    says("prints", "run --rm $I $N echo hello", "hello"),
    says("codes", "for code in 0 3 255; do run --rm $I $N sh -c \"exit $code\"; echo $?; done", "0\n3\n255"),
    says("not found", "run --rm $I $N nosuch 2>&1 | grep -o 'executable file not found in $PATH' | uniq; run --rm $I $N /no/such 2>&1 | grep -o 'stat /no/such: no such file or directory' | uniq; ctr container ls -q | grep $N",
        "executable file not found in $PATH\nstat /no/such: no such file or directory"),
    says("not executable", "run --rm $I $N /etc/passwd 2>&1 | grep -o 'exec: \"/etc/passwd\": permission denied' | uniq", "exec: \"/etc/passwd\": permission denied"),
    says("standard input", "printf 'one\\ntwo\\n' | run --rm $I $N head -n 1", "one"),
    says("lots", "run --rm $I $N sh -c 'head -c 3000000 /dev/zero' | wc -c", "3000000"),
    says("tasks", "run -d --null-io --pid-file /tmp/$N.pid $I $N sleep 1000; [ \"$(ctr task ls | awk -v n=$N '$1 == n {print $2}')\" = \"$(cat /tmp/$N.pid)\" ] && echo pid; state
        ctr task ps $N | wc -l; ctr task pause $N; state; ctr task resume $N; state; ctr task kill -s KILL $N; stopped; ctr task rm $N 2>&1 | grep -o 'code [0-9]*'; ctr container rm $N", "pid\nRUNNING\n2\nPAUSED\nRUNNING\ncode 137"),
    says("signals", "run -d --log-uri file:///tmp/$N.log $I $N sh -c 'trap \"exit 7\" TERM; echo ready; while :; do sleep 0.05; done'; await ready; ctr task kill $N; stopped; ctr task rm $N 2>&1 | grep -o 'code [0-9]*'; ctr container rm $N", "code 7"),
    says("signals to all", "run -d --log-uri file:///tmp/$N.log $I $N sh -c 'sleep 1000 & trap \"exit 7\" TERM; echo ready; wait; while :; do sleep 0.05; done'; await ready; ctr task kill -a $N; stopped; ctr task rm $N 2>&1 | grep -o 'code [0-9]*'; ctr container rm $N", "code 7"),
    says("exec", "run -d --null-io $I $N sleep 1000; ctr task exec --exec-id a $N sh -c 'echo out; exit 6'; echo $?; echo in | ctr task exec --exec-id b $N cat; ctr task exec --exec-id c --cwd /tmp --user 1000:100 $N sh -c 'id; pwd'
        ctr task exec --exec-id d $N nosuch 2>&1 | grep -o 'executable file not found in $PATH' | uniq; ctr task exec --exec-id e -d $N sleep 2000; ctr task ps $N | wc -l; ctr task kill --exec-id e -s KILL $N; ctr task kill -s KILL $N; stopped; end",
        "out\n6\nin\nuid=1000 gid=100(users) groups=100(users)\n/tmp\nexecutable file not found in $PATH\n3"),
    says("terminals", "tty \"stty rows 21 cols 22; $(eval echo $RUN) --rm -t $I $N sh -c 'tty; until stty size 2>/dev/null | grep .; do :; done; sleep 0.2'\"; run -d --null-io $I $N sleep 1000
        tty \"stty rows 31 cols 32; ctr task exec --exec-id t -t $N sh -c 'tty; until stty size 2>/dev/null | grep .; do :; done; sleep 0.2'\"; ctr task kill -s KILL $N; stopped; end", "/dev/pts/0\n21 22\n/dev/pts/0\n31 32"),
    says("events", "ctr events > /tmp/$N.log & e=$!; until [ -s /tmp/$N.log ]; do ctr image label $I at=$(date +%N) >/dev/null; done; run --rm $I $N true; await tasks/exit.*$N; kill $e; grep $N /tmp/$N.log | grep -oE '/tasks/(create|start|exit)' | paste -sd ' '", "/tasks/create /tasks/start /tasks/exit"),
    says("checkpoint is not there", "run -d --null-io $I $N sleep 1000; ctr task checkpoint $N >/dev/null 2>&1 || echo refused; ctr task kill -s KILL $N; stopped; end", "refused"),
    says("many at once", "for i in 0 1 2 3 4 5 6 7 8 9; do run --rm $I $N-$i sh -c \"exit $i\" || echo $? > /tmp/$N-$i & done; wait; cat /tmp/$N-*; ctr container ls -q | grep $N", "1\n2\n3\n4\n5\n6\n7\n8\n9"),
];

/// What is not said of any runtime's own words.
const FOREIGN: &[Row] = &[
    says("prints", "run --rm $I $N echo hello", "hello"),
    says("codes", "for code in 0 3 255; do run --rm $I $N sh -c \"exit $code\"; echo $?; done", "0\n3\n255"),
    says("not found", "run --rm $I $N nosuch 2>&1 | grep -o 'executable file `nosuch` not found in $PATH' | tail -n 1; ctr container ls -q | grep $N", "executable file `nosuch` not found in $PATH"),
    says("lots", "run --rm $I $N sh -c 'head -c 3000000 /dev/zero' | wc -c", "3000000"),
    says("tasks", "run -d --null-io --pid-file /tmp/$N.pid $I $N sleep 1000; state; ctr task ps $N | wc -l; ctr task pause $N; state; ctr task resume $N; state; ctr task kill -s KILL $N; stopped; ctr task rm $N 2>&1 | grep -o 'code [0-9]*'; ctr container rm $N", "RUNNING\n2\nPAUSED\nRUNNING\ncode 137"),
    says("exec", "run -d --null-io $I $N sleep 1000; ctr task exec --exec-id a $N sh -c 'echo out; exit 6'; echo $?; echo in | ctr task exec --exec-id b $N cat; ctr task exec --exec-id c --cwd /tmp --user 1000:100 $N sh -c 'id -u; pwd'; ctr task exec --exec-id d $N nosuch 2>&1 | grep -o 'not found in $PATH' | tail -n 1
        ctr task exec --exec-id e -d $N sleep 2000; ctr task ps $N | wc -l; ctr task kill --exec-id e -s KILL $N; ctr task kill -s KILL $N; stopped; end", "out\n6\nin\n1000\n/tmp\nnot found in $PATH\n3"),
    says("terminals", "tty \"stty rows 21 cols 22; $(eval echo $RUN) --rm -t $I $N sh -c 'tty; until stty size 2>/dev/null | grep .; do :; done; sleep 0.2'\"; run -d --null-io $I $N sleep 1000
        tty \"stty rows 31 cols 32; ctr task exec --exec-id t -t $N sh -c 'until stty size 2>/dev/null | grep 31; do :; done; sleep 0.2'\"; ctr task kill -s KILL $N; stopped; end", "/dev/pts/0\n21 22\n31 32"),
    says("out of memory", "ctr events > /tmp/$N.log & e=$!; until [ -s /tmp/$N.log ]; do ctr image label $I at=$(date +%N) >/dev/null; done; run --rm --memory-limit 16777216 $I $N sh -c 'tail /dev/zero; code=$?; sleep 0.5; exit $code'; echo $?; await tasks/oom.*$N; kill $e; grep $N /tmp/$N.log | grep -o '/tasks/oom' | head -n 1", "137\n/tasks/oom"),
    differs("no such runtime", "echo 'BinaryName = \"nosuch\"' > /tmp/$N.toml; N=$N; R=$(echo $R | sed \"s|/run/options|/tmp/$N|; s|binary .*|binary nosuch|\"); run --rm $I $N true 2>&1 | sed \"s/$N/ID/; s/.*OCI/OCI/\"; ctr container ls -q | grep $N",
        "OCI runtime error (open /run/containerd/io.containerd.runtime.v2.task/default/ID/log.json: no such file or directory): exec: \"nosuch\": executable file not found in $PATH",
        "ctr: failed to create shim task: create ID: start nosuch: there is no such program"),
];

const LIMITS: &[Row] = &[
    says(
        "out of memory",
        "ctr events > /tmp/$N.log & e=$!; until [ -s /tmp/$N.log ]; do ctr image label $I at=$(date +%N) >/dev/null; done; run --rm --memory-limit 16777216 $I $N sh -c 'tail /dev/zero; code=$?; sleep 0.5; exit $code'; echo $?; await tasks/oom.*$N; kill $e; grep $N /tmp/$N.log | grep -o '/tasks/oom' | head -n 1",
        "137\n/tasks/oom",
    ),
    same(
        "metrics",
        "run -d --null-io --memory-limit 33554432 $I $N sleep 1000; ctr task metrics $N | awk '{print $1}' | sed s/^$N$/name/; ctr task metrics $N | grep -E 'memory.limit|pids.limit' | tr -s ' '; ctr task kill -s KILL $N; stopped; end",
    ),
    same(
        "files",
        "run --rm --memory-limit 33554432 --cpu-quota 25000 --cpu-period 50000 --cpu-shares 99 --cpuset-cpus 0 --cpuset-mems 0 --mount type=bind,src=/sys/fs/cgroup,dst=/cg,options=rbind:ro $I $N sh -c \"cd /cg; cat memory/default/$N/memory.limit_in_bytes cpu/default/$N/cpu.cfs_quota_us cpu/default/$N/cpu.cfs_period_us cpu/default/$N/cpu.shares cpuset/default/$N/cpuset.cpus\"",
    ),
    says(
        "a group of its own choice",
        "run --rm --cgroup /default/$N/deep $I $N sh -c 'grep memory /proc/1/cgroup | grep -o deep'; rmdir /sys/fs/cgroup/*/default/$N",
        "deep",
    ),
];

const DEATH: &[Row] = &[
    apart("containerd is killed", "run -d --log-uri file:///tmp/$N.log $I $N sh -c 'trap \"exit 7\" TERM; echo ready; while :; do sleep 0.05; done'; await ready; kill -9 $(cat /run/containerd.pid); sh /run/serve; state
        ctr task exec --exec-id a $N echo still; ctr task pause $N; ctr task resume $N; ctr task kill $N; stopped; ctr task rm $N 2>&1 | grep -o 'code [0-9]*'; ctr container rm $N", "RUNNING\nstill\ncode 7"),
    apart("the shim is killed", "run -d --null-io $I $N sleep 1000; p=$(ctr task ls | awk -v n=$N '$1 == n {print $2}'); kill -9 $(ps -o ppid= $p); while kill -0 $p 2>/dev/null; do sleep 0.05; done; until ctr container rm $N 2>/dev/null; do sleep 0.05; done; while [ -e /run/containerd/runc/default/$N ]; do sleep 0.05; done; echo gone", "gone"),
];

/// What our shim keeps by itself, where runc's appends to a file.
const LOGS: &[Row] = &[
    says("logs", "u=file; [ $R = io.containerd.runc.v2 ] || u=cri; run --log-uri $u:///tmp/$N.log $I $N sh -c 'for i in 1 2 3; do echo line $i; done'; grep -o 'line .' /tmp/$N.log; end", "line 1\nline 2\nline 3"),
    says("no such log", "run --log-uri file:///proc/nosuch/x $I $N true 2>/dev/null || echo refused; ctr container rm $N", "refused"),
    apart("a log while containerd is killed", "u=file:///tmp/$N.log; [ $R = io.containerd.runc.v2 ] || u=\"json-file:///tmp/$N.log?max-size=-1\"; run -d --log-uri $u $I $N sh -c 'trap \"exit 7\" TERM; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); echo line $i of it; done; echo all; while :; do sleep 0.05; done'
        await line; kill -9 $(cat /run/containerd.pid); await all; sh /run/serve; ctr task kill $N; stopped; ctr task rm $N 2>&1 | grep -o 'code [0-9]*'; ctr container rm $N; grep -o 'line [0-9]* of' /tmp/$N.log | awk '$2 != NR { print \"not\", NR } END { print NR }'", "code 7\n200000"),
];

macro_rules! looks {
    ($($name:literal, $options:literal;)*) => {
        &[$(same($name, concat!(host!(), "run --rm --hostname looked --mount type=bind,src=/tmp/$N,dst=/host,options=rbind:ro ", $options, " $I $N ", look!(), " | sed \"s/$N/ID/\"")),)*]
    };
}

const LOOKS: &[Row] = looks! {
    "looks", "";
    "looks privileged", "--privileged";
    "looks as a user", "--user 1000:1000";
    "looks with capabilities", "--cap-add CAP_SYS_ADMIN --cap-drop CAP_CHOWN --allow-new-privs";
    "looks filtered", "--seccomp";
    "looks read-only", "--read-only";
    "looks through the network of the host", "--net-host";
    "looks with a device", "--device /dev/zero";
    "looks without pivoting", "--no-pivot";
    "looks with an environment", "--env A=b --cwd /made/for/it";
    "looks into namespaces", "--with-ns network:/proc/1/ns/net --with-ns ipc:/proc/1/ns/ipc";
};

#[test]
fn life() {
    test(NEEDS, |world| run(world, &CONTAINERD, LIFE));
}

#[test]
fn deaths() {
    test(NEEDS, |world| run(world, &CONTAINERD, DEATH));
}

#[test]
fn limits() {
    test(NEEDS, |world| run(world, &CONTAINERD, LIMITS));
}

#[test]
fn what_it_sees() {
    test(NEEDS, |world| run(world, &CONTAINERD, LOOKS));
}

#[test]
fn shim_life() {
    test(NEEDS, |world| run(world, &SHIM, LIFE));
}

#[test]
fn shim_limits() {
    test(NEEDS, |world| run(world, &SHIM, LIMITS));
}

#[test]
fn shim_deaths() {
    test(NEEDS, |world| run(world, &SHIM, DEATH));
}

#[test]
fn shim_logs() {
    test(NEEDS, |world| run(world, &SHIM, LOGS));
}

#[test]
fn shim_sees() {
    test(NEEDS, |world| run(world, &SHIM, LOOKS));
}

#[test]
fn shim_life_with_runc() {
    test(NEEDS, |world| run(world, &SHIM_WITH_RUNC, LIFE));
}

#[test]
fn shim_life_with_crun() {
    test(NEEDS, |world| run(world, &SHIM_WITH_CRUN, FOREIGN));
}

#[test]
fn shim_limits_with_runc() {
    test(NEEDS, |world| run(world, &SHIM_WITH_RUNC, LIMITS));
}

#[test]
fn shim_deaths_with_runc() {
    test(NEEDS, |world| run(world, &SHIM_WITH_RUNC, DEATH));
}
