//! Hundreds of containers that do nothing: nor do their supervisors.

use crate::bed::{Bed, OURS, Talk};
use crate::machine::{self, NEEDS};
use crate::successor::pids;
use std::fs;
use std::time::{Duration, Instant};
use tare_kit::{rounds, test};
use tare_spec_containerd::{BootstrapAnswer, task};

/// How many containers a pod has.
const EACH: usize = 10;
/// The most that there are, however long the soak is.
const MOST: usize = 500;

/// What a supervisor of that many may have open, a connection for each among it: 46 are seen.
const OPEN: usize = 50;

/// Bundles of pod $ID, after that of `c`.
const BUNDLES: &str = r#"for n in $(seq 0 $LAST); do
  mkdir -p /run/b/$ID-$n/rootfs
  sed "s|/shim/c|/shim/$ID-$n|; s|\"io.kubernetes.cri.sandbox-id\":\"c\"|\"io.kubernetes.cri.sandbox-id\":\"$ID\"|" /run/b/c/config.json > /run/b/$ID-$n/config.json
done"#;

/// A pod's supervisor, and who talks to it about each container.
struct Pod {
    supervisor: u32,
    talks: Vec<Talk>,
}

impl Pod {
    fn of_idlers(bed: &Bed, name: &str) -> Pod {
        bed.run(BUNDLES, name, &[("LAST", &(EACH - 1).to_string())]);
        let said = bed.verb(&format!("{name}-0"), "start");
        let answer: BootstrapAnswer = serde_json::from_str(&said).expect("an answer in JSON");
        let ids = (0..EACH).map(|n| format!("{name}-{n}"));
        let mut talks: Vec<Talk> = ids.map(|id| Talk::over(&id, bed.connect(&answer))).collect();
        for talk in &mut talks {
            talk.create([""; 3], false);
            talk.start("");
            assert_eq!(talk.lines, ["create: pid true", "start: pid true"]);
        }
        let supervisor = pids(&mut talks[0]).0;
        Pod { supervisor, talks }
    }

    fn runs(&mut self) {
        for talk in &mut self.talks {
            talk.state("");
            let line = talk.lines.pop().unwrap_or_default();
            assert_eq!(line, format!("state: {} Running 0 false pid true", talk.id));
        }
    }

    /// What it has used until now: of the processors, in ticks; and how often it has gone to sleep.
    fn used(&self) -> [String; 3] {
        let read = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", self.supervisor)).expect(name);
        let (stat, status) = (read("stat"), read("status"));
        let (_, after_name) = stat.rsplit_once(')').expect("a name");
        let field = |number: usize| after_name.split(' ').nth(number - 2).expect("a field").to_owned();
        let slept = status.lines().find(|line| line.starts_with("voluntary_ctxt"));
        [field(14), field(15), slept.expect("a line").to_owned()]
    }

    fn count(&self, folder: &str) -> usize {
        let entries = fs::read_dir(format!("/proc/{}/{folder}", self.supervisor));
        entries.expect(folder).count()
    }

    fn ends(mut self) {
        for talk in &mut self.talks {
            talk.kill("", 9);
            talk.wait("");
            talk.delete("");
            assert_eq!(
                talk.lines[2..],
                ["kill 9 : ok", "wait: 137", "delete: 137 true pid true"]
            );
        }
        let last = &mut self.talks[0];
        let request = task::ShutdownRequest {
            id: last.id.clone(),
            now: false,
        };
        last.done("shutdown", "Shutdown", &request);
    }
}

#[test]
fn supervisors_of_idle_containers_do_nothing() {
    test(NEEDS, |world| {
        let bed = &mut Bed::furnish(world, OURS);
        bed.bundle("c", "exec sleep 100000", "no");
        let count = rounds(100).min(MOST) / EACH;
        let mut pods: Vec<Pod> = (0..count)
            .map(|n| Pod::of_idlers(bed, &format!("p{n}")))
            .collect();
        pods.iter_mut().for_each(Pod::runs);
        // What was answered may be still to be noticed as read.
        let used = || pods.iter().map(Pod::used).collect::<Vec<_>>();
        let until = Instant::now() + Duration::from_secs(20);
        let mut before = used();
        loop {
            bed.run("sleep 0.5", "c", &[]);
            let now = used();
            if now == before || Instant::now() > until {
                break;
            }
            before = now;
        }
        bed.run("sleep 5", "c", &[]);
        assert_eq!(before, used());
        for pod in &pods {
            assert_eq!(pod.count("task"), 1);
            let open = pod.count("fd");
            assert!(open <= OPEN, "{open}");
        }
        pods.iter_mut().for_each(Pod::runs);
        pods.into_iter().for_each(Pod::ends);
        let until = Instant::now() + Duration::from_secs(20);
        let left = "ls -A /run/tare/pods /run/tare/containerd/default /run/containerd/s | grep -v :$ | grep . || true; pgrep -x sleep || true";
        while !bed.run(left, "c", &[]).is_empty() {
            assert!(Instant::now() < until, "{}", bed.run(left, "c", &[]));
        }
        machine::remove_group("/shim");
    });
}
