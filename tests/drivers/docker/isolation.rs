//! What a container sees and may do.

use super::{DOCKER, SHIM};
use crate::machine::NEEDS;
use crate::table::{Row, differs, run, same, says};
use tare_kit::test;

macro_rules! looks {
    ($($name:literal, $options:literal;)*) => {
        &[$(same($name, concat!(host!(), "docker run --rm --runtime $R --network none -v /tmp/$N:/host ", $options, " busybox ", look!())),)*]
    };
}

const LOOKS: &[Row] = looks! {
    "looks", "--hostname looked";
    "looks with a terminal", "-t";
    "looks privileged", "--privileged";
    "looks as a user", "--user 1000:1000 --group-add 7 --group-add users";
    "looks without capabilities", "--cap-drop ALL --security-opt no-new-privileges";
    "looks with capabilities", "--cap-add NET_ADMIN --cap-add SYS_ADMIN --cap-drop CHOWN --user nobody";
    "looks with all capabilities", "--cap-add ALL";
    "looks unconfined", "--security-opt seccomp=unconfined --security-opt systempaths=unconfined";
    "looks read-only", "--read-only --tmpfs /tmp:size=1m,mode=700,noexec --tmpfs /run";
    "looks through namespaces of the host", "--pid host --ipc host --uts host --cgroupns host";
    "looks through its own", "--ipc private --cgroupns private";
    "looks with limits", "--ulimit nofile=100:200 --ulimit core=0 --ulimit nproc=50 --oom-score-adj 500 --shm-size 1m -m 64m --cpus 0.5 --pids-limit 20 --sysctl net.ipv4.ip_unprivileged_port_start=7 --sysctl kernel.msgmax=9000";
    "looks with an environment", "-e A=b -e EMPTY= -w /made/for/it --add-host a:127.0.0.9 --dns 127.0.0.8";
    "looks with devices", "--device /dev/zero:/dev/nil:r --device /dev/null:/dev/deep/null --device-cgroup-rule 'b 7:* rmw'";
};

/// Mounts below one that is read-only.
macro_rules! below {
    () => {
        "mkdir -p /tmp/$N/d/e; mount -t tmpfs t /tmp/$N/d/e
        for o in readonly readonly,bind-recursive=writable readonly,bind-recursive=disabled readonly,bind-recursive=readonly,bind-propagation=rprivate; do run --rm --mount type=bind,source=/tmp/$N/d,target=/p,$o busybox sh -c 'touch /p/x && echo top; touch /p/e/x && echo below' 2>/dev/null; done; umount /tmp/$N/d/e"
    };
}

const RECURSIVE: &[Row] = &[says("read-only recursively", below!(), "below")];

/// docker asks a runtime that it executes itself what it can do, and takes a shim's for one that can nothing.
const SHIM_RECURSIVE: &[Row] = &[differs(
    "read-only recursively",
    below!(),
    "below",
    "below\nbelow",
)];

const FILES: &[Row] = &[
    says("volumes", "mkdir -p /tmp/$N/d; echo from > /tmp/$N/d/f
        run --rm -v /tmp/$N/d:/a -v /tmp/$N/d:/b:ro -v /tmp/$N/d/f:/file:ro -v $N:/named busybox sh -c 'cat /a/f /b/f /file; echo to > /a/g; touch /b/x 2>&1 | sed \"s/.*: //\"; (echo y >/file) 2>&1 | sed \"s/.*: //\"; echo v > /named/v'
        cat /tmp/$N/d/g; run --rm -v $N:/named busybox cat /named/v; docker volume rm $N >/dev/null",
        "from\nfrom\nfrom\nRead-only file system\nRead-only file system\nto\nv"),
    same("propagation", "mkdir -p /tmp/$N/d; mount -t tmpfs t /tmp/$N/d; mount --make-shared /tmp/$N/d
        for p in rprivate rslave rshared private slave shared; do run --rm --mount type=bind,source=/tmp/$N/d,target=/p,bind-propagation=$p busybox sh -c 'grep \" /p \" /proc/self/mountinfo | sed \"s/:[0-9]*//g\" | cut -d\" \" -f5-8'; done
        run -d --mount type=bind,source=/tmp/$N/d,target=/p,bind-propagation=rslave busybox sleep 1000 >/dev/null
        mkdir /tmp/$N/d/e; mount -t tmpfs t /tmp/$N/d/e; touch /tmp/$N/d/e/seen; docker exec $N ls /p/e; umount /tmp/$N/d/e; docker exec $N ls /p/e; end; umount /tmp/$N/d"),
    says("volumes of another", "run -v /data busybox sh -c 'echo kept > /data/x'; docker run --rm --runtime $R --network none --volumes-from $N busybox cat /data/x; docker rm -v $N >/dev/null", "kept"),
    same("home", "mkdir /tmp/$N; printf 'five:x:5:5::/home/five:\\nroot:x:0:0::/elsewhere:' > /tmp/$N/passwd; h() { run --rm \"$@\" busybox sh -c 'echo $HOME'; }
        h; h -e HOME=; h -e HOME=/x; h -u nobody; h -u 1234; h -v /tmp/$N/passwd:/etc/passwd; h -v /tmp/$N/passwd:/etc/passwd -u 5; h -v /tmp/$N:/etc/passwd 2>/dev/null; h --tmpfs /etc
        run -d busybox sleep 1000 >/dev/null; docker exec $N sh -c 'echo $HOME'; docker exec -u nobody $N sh -c 'echo $HOME'; docker exec -e HOME=/y $N sh -c 'echo $HOME'; docker exec -u 1234 $N sh -c 'echo $HOME'; end"),
    says("tmpfs", "run --rm --tmpfs /t:rw,size=64k,mode=1770,uid=5 --mount type=tmpfs,target=/u,tmpfs-size=4096 busybox sh -c 'df -k /t /u | awk \"{print \\$2, \\$6}\" | tail -n 2; ls -ld /t | cut -c1-17; head -c 100000 /dev/zero 2>/dev/null > /t/x || echo full'", "64 /t\n4 /u\ndrwxrwx--T    2 5\nfull"),
    says("a link is followed inside", "mkdir -p /tmp/$N; printf 'FROM busybox\\n' >/dev/null; run busybox ln -s /etc /link; docker commit $N $N >/dev/null; end; run --rm -v /tmp/$N:/link/sub $N sh -c 'ls -d /etc/sub'; ls -d /etc/sub 2>/dev/null; docker rmi $N >/dev/null", "/etc/sub"),
    says("file over a folder", "touch /tmp/$N; run --rm -v /tmp/$N:/etc busybox true 2>&1 | grep -o 'Are you trying to mount a directory onto a file'; run -v /tmp/$N:/etc busybox true 2>/dev/null; echo $?; end", "Are you trying to mount a directory onto a file\n125"),
    says("read-only root", "run --rm --read-only busybox sh -c 'touch /x 2>&1 | sed \"s/.*: //\"; touch /dev/shm/x && echo shm'", "Read-only file system\nshm"),
    says("init", "run --rm --init busybox sh -c 'cat /proc/1/comm; (sleep 0.01 &); exit 4'; echo $?", "docker-init\n4"),
];

const SHARING: &[Row] = &[
    says("namespaces of another", "run -d --ipc shareable --hostname first busybox sleep 1000 >/dev/null
        docker run --rm --runtime $R --network container:$N --pid container:$N --ipc container:$N busybox sh -c 'for n in pid net ipc uts; do [ $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) ] && echo $n; done; ps -o args | grep -c \"^sleep 1000\"; hostname'
        docker exec $N touch /dev/shm/seen; docker run --rm --runtime $R --network none --ipc container:$N busybox ls /dev/shm; end", "pid\nnet\nipc\n1\nfirst\nseen"),
    says("ends with its neighbour", "run -d busybox sleep 1000 >/dev/null; docker run -d --name $N-2 --runtime $R --network none --pid container:$N busybox sleep 2000 >/dev/null
        docker kill $N >/dev/null; docker wait $N-2; docker rm -f $N-2 >/dev/null; end", "137"),
    says("its neighbour stays", "run -d busybox sleep 1000 >/dev/null; docker run -d --name $N-2 --runtime $R --network none --pid container:$N busybox sh -c 'sleep 2000 & exec sleep 3000' >/dev/null
        docker rm -f $N-2 >/dev/null; state; docker top $N -o pid,args | grep -c 'sleep [23]000'; end", "running 0 oom=false\n0"),
    says("network of the host", "docker run --rm --runtime $R --network host busybox sh -c 'ls /sys/class/net; readlink /proc/self/ns/net' > /tmp/$N; [ \"$(tail -n 1 /tmp/$N)\" = \"$(readlink /proc/self/ns/net)\" ] && head -n 1 /tmp/$N", "lo"),
    says("no network", "run --rm busybox sh -c 'ls /sys/class/net; ip addr show lo | grep -c 127.0.0.1'", "lo\n1"),
    same("a group of another", "run --rm --cgroup-parent /docker/$N busybox sh -c 'sed -E \"s/[0-9a-f]{64}/ID/; s/-(ours|theirs)//\" /proc/self/cgroup'; find /sys/fs/cgroup -depth -path \"*/docker/$N\" -exec rmdir {} +"),
];

#[test]
fn what_it_sees() {
    test(NEEDS, |world| run(world, &DOCKER, LOOKS));
}

#[test]
fn files() {
    test(NEEDS, |world| run(world, &DOCKER, &[FILES, RECURSIVE].concat()));
}

#[test]
fn shared_namespaces() {
    test(NEEDS, |world| run(world, &DOCKER, SHARING));
}

#[test]
fn shim_sees() {
    test(NEEDS, |world| run(world, &SHIM, LOOKS));
}

#[test]
fn shim_files() {
    test(NEEDS, |world| {
        run(world, &SHIM, &[FILES, SHIM_RECURSIVE].concat())
    });
}

#[test]
fn shim_shared_namespaces() {
    test(NEEDS, |world| run(world, &SHIM, SHARING));
}
