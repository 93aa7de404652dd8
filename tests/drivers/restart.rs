//! containerd is killed (-9) under many pods and started again: all that ran runs, and what ended meanwhile is told as it was.

use crate::containerd::SHIM;
use crate::machine::{Machine, NEEDS, groups, remove_group};
use tare_kit::{rounds, test};

/// The most pods that there are, however long the soak is.
const MOST: usize = 50;

/// Pods of one container each, which answers TERM with its number.
const RUN: &str = r#"for n in $(seq $COUNT); do
  ctr run -d --null-io --runtime io.containerd.tare.v2 docker.io/library/busybox:latest pod$n \
    sh -c "trap 'exit $n' TERM; touch /ready; while :; do sleep 0.1; done" || exit 1
done
for n in $(seq $COUNT); do
  pid=$(ctr task ls | awk -v n=pod$n '$1 == n { print $2 }')
  until [ -e /proc/$pid/root/ready ]; do sleep 0.02; done
  echo $pid
done > /run/pids"#;

/// containerd is killed. Meanwhile every second container ends, by a signal that is not containerd's.
const KILL: &str = r#"kill -9 $(cat /run/containerd.pid)
awk 'NR % 2 == 0' /run/pids | xargs kill -TERM
for pid in $(awk 'NR % 2 == 0' /run/pids); do while [ -e /proc/$pid ]; do sleep 0.02; done; done
sh /run/serve"#;

/// Number, state, and, where it has ended, the code that `delete` tells; the others are asked to end first. What is executed there
/// stays until it was heard: of a program that ends at once ctr can lose what it said, with any runtime. A shim leaves after it has
/// answered.
const TOLD: &str = r#"ctr task ls | awk 'NR > 1 { print $1, $3 }' | sort -V
for n in $(seq 1 2 $COUNT); do
  rm -f /run/said; ctr task exec --exec-id e pod$n sh -c 'echo still; until [ -e /heard ]; do sleep 0.05; done' > /run/said &
  until grep -qs still /run/said; do sleep 0.05; done
  touch /proc/$(sed -n ${n}p /run/pids)/root/heard; wait $!; cat /run/said; ctr task kill pod$n
done
for n in $(seq $COUNT); do
  until ctr task ls | awk -v n=pod$n '$1 == n { print $3 }' | grep -q STOPPED; do sleep 0.05; done
  echo pod$n $(ctr task delete pod$n 2>&1 | grep -o 'code [0-9]*'); ctr container rm pod$n
done
ctr task ls | tail -n +2; ctr container ls -q
for i in $(seq 100); do pgrep -x containerd-shim >/dev/null || break; sleep 0.1; done; pgrep -x containerd-shim"#;

fn wanted(count: usize) -> String {
    let states = (1..=count).map(|n| {
        let state = if n % 2 == 0 { "STOPPED" } else { "RUNNING" };
        format!("pod{n} {state}\n")
    });
    let still = (1..=count).step_by(2).map(|_| "still\n".to_owned());
    let codes = (1..=count).map(|n| format!("pod{n} code {n}\n"));
    states.chain(still).chain(codes).collect()
}

#[test]
fn many_pods_outlive_containerd() {
    test(NEEDS, |world| {
        let count = rounds(10).min(MOST);
        let machine = Machine::furnish(world, &[]);
        let number = count.to_string();
        let sh = |script: &str| machine.sh(script, &[("COUNT", &number)]).run();
        let _ = machine.sh(SHIM.start, &[]).ok();
        let _ = sh(RUN).ok();
        let _ = sh(KILL).ok();
        let told = sh(TOLD);
        let log = sh("tail -n 20 /tmp/log").stdout;
        let _ = sh(SHIM.stop).ok();
        assert_eq!(told.stdout, wanted(count), "{}\n{log}", told.stderr);
        drop(machine);
        let left = groups();
        assert!(
            left.iter().all(|group| SHIM.keeps.contains(&group.as_str())),
            "{left:?}"
        );
        SHIM.keeps.iter().for_each(|group| remove_group(group));
    });
}
