//! Limits, and what they do.

use super::{DOCKER, SHIM};
use crate::machine::NEEDS;
use crate::table::{Row, run, same, says};
use tare_kit::test;

const LIMITS: &[Row] = &[
    says("out of memory", "run -m 16m busybox sh -c 'tail /dev/zero; code=$?; sleep 0.5; exit $code'; echo $?; state; events | grep -x -m 1 oom; end", "137\nexited 137 oom=true\noom"),
    says("out of memory in exec", "run -d -m 16m busybox sleep 1000 >/dev/null; docker exec $N tail /dev/zero; echo $?; until state | grep -q oom=true; do sleep 0.2; done; state; events | grep -x -m 1 oom; end", "137\nrunning 0 oom=true\noom"),
    says("killed but not for memory", "run -d -m 16m busybox sleep 1000 >/dev/null; docker kill $N >/dev/null; state; end", "exited 137 oom=false"),
    says("processes", "run --rm --pids-limit 5 busybox sh -c 'for i in 1 2 3 4 5 6 7; do sleep 1000 & done; wait' 2>&1 | grep -c \"can't fork\"", "1"),
    same("files", "for disk in /dev/[vs]da /dev/nvme0n1 ''; do [ ! -b \"$disk\" ] || break; done; run --rm -m 32m --memory-reservation 16m --memory-swap 48m --memory-swappiness 10 --oom-kill-disable --cpus 1.5 --cpu-shares 100 --cpuset-cpus 0 --cpuset-mems 0 --pids-limit 33 --blkio-weight 200 ${disk:+--device-read-bps $disk:1mb} busybox sh -c 'cd /sys/fs/cgroup; for f in memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes memory/memory.soft_limit_in_bytes memory/memory.swappiness memory/memory.oom_control cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpu/cpu.shares cpuset/cpuset.cpus cpuset/cpuset.mems pids/pids.max blkio/blkio.throttle.read_bps_device blkio/blkio.bfq.weight devices/devices.list; do echo $f; sort $f; done' 2>&1"),
    same("devices", "run --rm --privileged busybox sort /sys/fs/cgroup/devices/devices.list; run --rm busybox sort /sys/fs/cgroup/devices/devices.list"),
    says("update", "run -d -m 32m busybox sleep 1000 >/dev/null; docker update -m 64m --memory-swap 128m --cpus 0.25 --pids-limit 44 --cpu-shares 99 --cpuset-cpus 0 $N >/dev/null
        docker exec $N sh -c 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes cpu/cpu.cfs_quota_us pids/pids.max cpu/cpu.shares cpuset/cpuset.cpus'
        docker update -m 1g $N 2>&1 | grep -o 'Memory limit should be smaller.*'; docker update --pids-limit -1 $N >/dev/null; docker exec $N cat /sys/fs/cgroup/pids/pids.max; end",
        "67108864\n134217728\n25000\n44\n99\n0\nMemory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time\nmax"),
    says("update of a stopped one", "run -d busybox sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes' >/dev/null; docker wait $N >/dev/null; docker update -m 32m --memory-swap 32m $N >/dev/null; docker start -a $N | tail -n 1; end", "33554432"),
    says("stats", "run -d -m 32m --pids-limit 9 busybox sh -c 'sleep 1000 & sleep 1000' >/dev/null; docker stats --no-stream --format '{{.Name}} {{.PIDs}} {{.MemUsage}}' $N | sed \"s/$N/name/; s/[0-9.]*[kKM]i*B \\//used of/\"; end", "name 2 used of 32MiB"),
    says("processor time", "run -d --cpus 0.2 busybox sh -c 'while :; do :; done' >/dev/null; f() { docker exec $N awk '/nr_throttled/ {print $2}' /sys/fs/cgroup/cpu/cpu.stat; }; until [ $(f) -gt 2 ]; do :; done; echo throttled; end", "throttled"),
];

#[test]
fn limits() {
    test(NEEDS, |world| run(world, &DOCKER, LIMITS));
}

#[test]
fn shim_limits() {
    test(NEEDS, |world| run(world, &SHIM, LIMITS));
}
