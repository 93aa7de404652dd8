//! kill -9 at any point of a pull: the next command leaves no trace of it, and the next pull is right.

use crate::bed::{Bed, check_whole, pull};
use crate::made::{Served, here, three_layers};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tare_engine::image::{Event, Progress, PullOptions};
use tare_kit::{Need, rounds, test};
use tare_registry::Reference;

/// Rounds that die at an event each; there are about as many events in a pull.
const EVENTS: usize = 25;

/// Kills its own process at the n-th event, or so long after the last one.
struct Deadly {
    at: usize,
    events: AtomicUsize,
    then: Duration,
}

fn die() {
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
}

impl Progress for Deadly {
    fn event(&self, event: &Event<'_>) {
        if self.events.fetch_add(1, Ordering::AcqRel) == self.at {
            die();
        }
        if let Event::Storing = event {
            let then = rustix::event::Timespec {
                tv_sec: 0,
                tv_nsec: i64::from(self.then.subsec_nanos()),
            };
            // Flush, names, record: no event tells them apart, so the moment is left to the clock.
            std::thread::spawn(move || {
                rustix::event::poll(&mut [], Some(&then)).unwrap();
                die();
            });
        }
    }
}

/// Not a test of its own: the process that is killed.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "how the test below tells it what to pull"
)]
fn victim() {
    let Ok(told) = std::env::var("TARE_CRASH") else {
        return;
    };
    let [folder, image, round] = told.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{told}")
    };
    let round: usize = round.parse().unwrap();
    let (at, then) = match round.checked_sub(EVENTS) {
        None => (round, Duration::ZERO),
        // Through the six milliseconds that follow, in other steps each time.
        Some(n) => (usize::MAX, Duration::from_micros((301 * n as u64) % 6_000)),
    };
    let deadly = Deadly {
        at,
        events: AtomicUsize::new(0),
        then,
    };
    let image = Reference::parse(image).unwrap();
    Bed::at(Path::new(folder))
        .engine()
        .pull(&image, &PullOptions::default(), &deadly)
        .unwrap();
}

#[test]
fn a_killed_pull_leaves_no_trace() {
    test(&[Need::Root], |world| {
        let (bed, mut served) = (Bed::new(world), Served::default());
        served.image("app", "latest", here(), &three_layers());
        let server = served.start();
        let image = format!("{}/app", server.host());
        let (mut killed, mut recorded) = (0, 0);
        let rounds = rounds(45);
        for round in 0..rounds {
            let status = Command::new(std::env::current_exe().unwrap())
                .args(["crash::victim", "--exact", "--nocapture", "--test-threads=1"])
                .env("TARE_CRASH", format!("{} {image} {round}", bed.folder.display()))
                .stdout(std::process::Stdio::null())
                .status()
                .unwrap();
            killed += usize::from(std::os::unix::process::ExitStatusExt::signal(&status) == Some(9));
            // Any command opens the engine: that alone clears up.
            let engine = bed.engine();
            check_whole(&bed, &engine);
            if !engine.images().unwrap().is_empty() {
                recorded += 1;
                engine.remove_image(&image, false).unwrap();
            }
        }
        assert!(
            killed * 3 > rounds * 2,
            "only {killed} of {rounds} were killed in the middle"
        );
        let engine = bed.engine();
        let pulled = pull(&engine, &image).unwrap().image;
        assert_eq!(
            std::fs::read(bed.layer(&pulled, 0).join("etc/base")).unwrap(),
            b"base"
        );
        check_whole(&bed, &engine);
        println!("killed {killed} of {rounds}, {recorded} of them after the record");
    });
}
