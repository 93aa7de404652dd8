//! A storm over the engine: commands make, enter, stop, start and remove containers at the same time, and any of them, and any
//! supervisor, may be killed (-9) at any moment. Afterwards every container is as somebody may have wanted it, ends are right or
//! honestly unknown, and `rm -f` leaves the machine as it was.

use crate::shell::{NEEDS, assert_nothing_left, ready, until, wait_until_cleared};
use rustix::process::{Pid, Signal, kill_process};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tare_kit::{Finished, Tare, World, rounds, test};

/// How many do this at the same time, each to a container of its own name.
const WORKERS: usize = 8;
/// How long a command may take, with everything else going on.
const LIMIT: Duration = Duration::from_secs(60);
/// Counts, ends when it is asked to, and takes more memory than there is when it is told to.
const SCRIPT: &str = "trap 'exit 3' TERM; trap 'exec tail /dev/zero' USR1; n=0; \
    while :; do n=$((n+1)); echo line $n; sleep 0.05; done";
/// A line of /proc/PID/status: it hears SIGTERM and SIGUSR1.
const TRAPS: &str = "^SigCgt:.*[4567cdef][2367abef]..$";

/// What a storm was, for docs/conformance/storms.md.
#[derive(Default)]
struct Tally {
    commands: AtomicUsize,
    killed: AtomicUsize,
    supervisors: AtomicUsize,
}

impl Tally {
    fn ran(&self, finished: &Finished) {
        self.commands.fetch_add(1, Ordering::Relaxed);
        // By timeout(1), which ends of the same.
        if matches!(
            (finished.signal(), finished.code()),
            (Some(9), _) | (_, Some(137))
        ) {
            self.killed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn print(&self, took: Duration) {
        let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
        eprintln!(
            "{} commands, {} of them killed, and {} supervisors, in {} s",
            count(&self.commands),
            count(&self.killed),
            count(&self.supervisors),
            took.as_secs()
        );
    }
}

/// Numbers that nobody can guess, and that a seed repeats.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// The words of a command; what is run gets what it is to do.
fn with_script(line: &str) -> Vec<String> {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    match line.split(' ').nth(1) {
        Some("-d") => words.push(SCRIPT.to_owned()),
        Some("--rm") => words.push("echo up; exit 7".to_owned()),
        _ => {}
    }
    words
}

/// One thing that somebody may do to a container; `round` makes a key that nobody else has.
fn words(dice: &mut Dice, (name, round): (&str, usize), options: &str) -> Vec<String> {
    let line = match dice.below(15) {
        0 => format!("run -d {options}--name {name} busybox sh -c"),
        1..3 => format!("run -d --key {name}-{round} {options}--name {name} busybox sh -c"),
        3 => format!("run --rm --name {name} busybox sh -c"),
        4 => format!("exec {name} true"),
        5 => format!("stop -t 1 {name}"),
        6 => format!("start {name}"),
        7 => format!("restart -t 1 {name}"),
        8 => format!("kill {name}"),
        9 => format!("logs {name}"),
        10 => "ps -a".to_owned(),
        // It ends by itself.
        11 | 12 => format!("exec {name} kill -TERM 1"),
        13 => format!("kill -s USR1 {name}"),
        _ => format!("rm -f {name}"),
    };
    with_script(&line)
}

/// Asks again by a key until there is an answer: that is the container of that name, whoever was killed.
fn ask_again(world: &World, name: &str, words: &[String]) -> Finished {
    let began = std::time::Instant::now();
    loop {
        let finished = act(world, words, None);
        assert_sound(&finished);
        if finished.code() == Some(0) {
            let id = world.tare(["inspect", "-f", "{{.Id}}", name]).limit(LIMIT).ok();
            assert_eq!(finished.stdout, id);
            return finished;
        }
        // A container of before has the name.
        if finished.stderr.contains("use name") {
            return finished;
        }
        assert!(began.elapsed() < LIMIT, "{finished}");
    }
}

/// No line of a container is missing between two that are there; a life begins with the first.
fn assert_no_line_is_missing(world: &World, name: &str) {
    let log = world.tare(["logs", name]).limit(LIMIT).ok();
    let mut last = 0;
    for line in log.lines() {
        let number = line.strip_prefix("line ").and_then(|n| n.parse::<u32>().ok());
        assert!(
            number == Some(last + 1) || number == Some(1),
            "after {last}: {line}"
        );
        last = number.unwrap_or_default();
    }
}

/// Runs a command to its end, or for so many milliseconds.
fn act(world: &World, words: &[String], milliseconds: Option<u64>) -> Finished {
    let mut plain = world.tare(words).limit(LIMIT);
    let Some(milliseconds) = milliseconds else {
        return plain.run();
    };
    let command = plain.command();
    let mut killed = Tare::program("timeout")
        .args([
            "-s",
            "KILL",
            &format!("{}", Duration::from_millis(milliseconds).as_secs_f64()),
        ])
        .args([command.get_program()])
        .args(command.get_args())
        .limit(LIMIT);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => killed.command().env(name, value),
            None => killed.command().env_remove(name),
        };
    }
    killed.run()
}

/// Nobody is killed here: each command does what it is told, however close the next one is upon it.
#[test]
fn many_lives_at_once_end_well() {
    test(NEEDS, |world| {
        ready(world);
        let live = |name: &str| {
            let script = "trap 'exit 0' TERM; sleep 1000 & wait";
            let create = ["create", "--name", name, "busybox", "sh", "-c", script];
            let lines: [&[&str]; 4] = [
                &create,
                &["start", name],
                &["stop", "-t", "1", name],
                &["rm", name],
            ];
            for line in lines {
                let out = world.tare(line).limit(LIMIT).run();
                assert_eq!((out.code(), out.stderr.as_str()), (Some(0), ""), "{out}");
            }
        };
        std::thread::scope(|scope| {
            for worker in 0..2 * WORKERS {
                scope.spawn(move || (0..rounds(15)).for_each(|n| live(&format!("life-{worker}-{n}"))));
            }
        });
        assert_nothing_left(world);
    });
}

/// Kills any supervisor, if there is one.
fn kill_a_supervisor(world: &World, dice: &mut Dice, tally: &Tally) {
    let pods = std::fs::read_dir(world.run_root().join("pods"));
    let pods: Vec<_> = pods.into_iter().flatten().flatten().collect();
    let Some(pod) = usize::try_from(dice.below(16)).ok().and_then(|at| pods.get(at)) else {
        return;
    };
    let record = std::fs::read(pod.path().join("supervisor.json")).unwrap_or_default();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap_or_default();
    let pid = record["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        // It may be gone.
        if kill_process(pid, Signal::KILL).is_ok() {
            tally.supervisors.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What must never be said, whatever is killed.
fn assert_sound(finished: &Finished) {
    for word in ["panicked", "corrupt", "database", "no such file"] {
        assert!(!finished.stderr.contains(word), "{finished}");
    }
    let fine = [
        Some(0),
        Some(1),
        Some(3),
        Some(7),
        Some(125),
        Some(137),
        Some(255),
        None,
    ];
    assert!(fine.contains(&finished.code()), "{finished}");
}

fn name_of(worker: usize) -> String {
    format!("web{worker}")
}

/// Whether a worker's container is started again whenever it ends.
fn is_kept(worker: usize) -> bool {
    worker.is_multiple_of(2)
}

/// Whether a container that is started again is to run after a command; nothing where nobody can know.
fn wished(before: Option<bool>, words: &[String], finished: &Finished) -> Option<bool> {
    let done = finished.code() == Some(0);
    match (words[0].as_str(), words[1].as_str()) {
        ("run", "-d") if done => Some(true),
        // Another one has the name, or it was killed on the way.
        ("run", _) if finished.code() == Some(125) => before,
        // What was started may be that of a `run --rm` whose client was killed: it ends, and goes.
        ("start" | "restart", _) if done => before.map(|_| true),
        // Its supervisor was killed over it: that was said, and nobody tries again.
        ("start" | "restart", _) if finished.code() == Some(125) => None,
        ("start" | "restart", _) => before.filter(|wish| *wish),
        ("kill", "-s") => before,
        ("stop" | "kill" | "rm", _) if done => Some(false),
        ("run" | "stop" | "kill" | "rm", _) => None,
        _ => before,
    }
}

/// Does things; whether its container is to run after that.
fn work(world: &World, worker: usize, (rounds, seed): (usize, u64), tally: &Tally) -> Option<bool> {
    let mut dice = Dice(seed ^ (worker as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let name = name_of(worker);
    let mut wish = None;
    for round in 0..rounds {
        let options = match is_kept(worker) {
            true => "-m 24m --restart always ",
            false => "-m 24m ",
        };
        let words = words(&mut dice, (&name, round), options);
        let milliseconds = (dice.below(3) == 0).then(|| 1 + dice.below(60));
        let mut finished = act(world, &words, milliseconds);
        assert_sound(&finished);
        tally.ran(&finished);
        if words.iter().any(|word| word == "--key") {
            finished = ask_again(world, &name, &words);
        }
        wish = wished(wish, &words, &finished);
        eprintln!(
            "{name} {milliseconds:?} {:?} {:?} -> {wish:?}",
            &words[..words.len().min(5)],
            finished.code()
        );
        if dice.below(6) == 0 {
            kill_a_supervisor(world, &mut dice, tally);
        }
    }
    wish
}

/// Waits until a container runs that is to.
fn assert_it_runs(world: &World, name: &str) {
    let began = std::time::Instant::now();
    let echo = || world.tare(["exec", name, "echo", "in"]).limit(LIMIT).run();
    loop {
        let told = echo();
        if told.stdout == "in\n" {
            return;
        }
        let why = || world.tare(["why", name]).limit(LIMIT).run();
        assert!(began.elapsed() < LIMIT, "{name} does not run: {told}\n{}", why());
    }
}

#[test]
fn whoever_is_killed_at_any_moment_nothing_is_lost_or_left() {
    test(NEEDS, |world| {
        ready(world);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seed = now.map_or(1, |since| u64::from(since.subsec_nanos()) | 1);
        let (rounds, began) = (rounds(8), std::time::Instant::now());
        eprintln!("seed {seed}, {rounds} rounds");
        let tally = &Tally::default();
        let wishes: Vec<Option<bool>> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..WORKERS)
                .map(|worker| scope.spawn(move || work(world, worker, (rounds, seed), tally)))
                .collect();
            workers
                .into_iter()
                .map(|worker| worker.join().expect("its wish"))
                .collect()
        });
        tally.print(began.elapsed());
        for (worker, wish) in wishes.iter().enumerate() {
            if is_kept(worker) && *wish == Some(true) {
                assert_it_runs(world, &name_of(worker));
            }
        }
        // Everything that is there now works: it is entered or started, and ends as it should.
        for name in world.tare(["ps", "-a"]).limit(LIMIT).ok().lines().skip(1) {
            let name = name.split_whitespace().next_back().expect("a name");
            // What it was told last may not have come to its end.
            let _ = world.tare(["kill", name]).limit(LIMIT).run();
            let started = world.tare(["start", name]).limit(LIMIT).run();
            if started.code() != Some(0) {
                // It was on its way out still, when it was listed.
                assert!(started.stderr.contains("find container"), "{started}");
                continue;
            }
            assert_eq!(world.tare(["exec", name, "echo", "in"]).limit(LIMIT).ok(), "in\n");
            // What it is told before its traps are set it does not hear.
            until("its traps are set", || {
                let look = ["exec", name, "grep", "-q", TRAPS, "/proc/1/status"];
                world.tare(look).limit(LIMIT).run().code() == Some(0)
            });
            assert_no_line_is_missing(world, name);
            let state = ["inspect", "-f", "{{.State.ExitCode}} {{.State.OOMKilled}}", name];
            let worker = name.strip_prefix("web").and_then(|n| n.parse().ok());
            if is_kept(worker.expect("a worker's name")) {
                let _ = world.tare(["stop", "-t", "30", name]).limit(LIMIT).ok();
                assert_eq!(world.tare(state).ok(), "3 false\n");
            } else {
                let _ = world.tare(["kill", "-s", "USR1", name]).limit(LIMIT).ok();
                assert_eq!(world.tare(["wait", name]).limit(LIMIT).ok(), "137\n");
                let why = world.tare(["why", name]).limit(LIMIT).ok();
                assert_eq!(world.tare(state).ok(), "137 true\n", "{why}");
            }
            let _ = world.tare(["rm", name]).ok();
        }
        wait_until_cleared(world);
        assert_nothing_left(world);
    });
}

/// One thing that somebody may do to a pod, or to a container of his own in it.
fn words_of_pod(dice: &mut Dice, name: &str, pod: &str) -> Vec<String> {
    let line = match dice.below(14) {
        0 => format!("pod create {pod}"),
        1..5 => format!("run -d --pod {pod} --name {name} busybox sh -c"),
        5 => format!("run --rm --pod {pod} --name {name} busybox sh -c"),
        6 => format!("exec {name} true"),
        7 => format!("pod stop -t 1 {pod}"),
        8 => format!("pod start {pod}"),
        9 => format!("pod restart -t 1 {pod}"),
        10 => "pod ps --ctr-status".to_owned(),
        11 => format!("exec {name} kill -TERM 1"),
        12 => format!("rm -f {name}"),
        _ => format!("pod rm -f -t 1 {pod}"),
    };
    with_script(&line)
}

#[test]
fn pods_too() {
    test(NEEDS, |world| {
        ready(world);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seed = now.map_or(1, |since| u64::from(since.subsec_nanos()) | 1);
        let (rounds, began) = (rounds(25), std::time::Instant::now());
        eprintln!("seed {seed}, {rounds} rounds");
        let tally = &Tally::default();
        std::thread::scope(|scope| {
            for worker in 0..WORKERS {
                scope.spawn(move || {
                    let mut dice = Dice(seed ^ (worker as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                    let pod = format!("pod{}", worker % 2);
                    for _ in 0..rounds {
                        let words = words_of_pod(&mut dice, &name_of(worker), &pod);
                        let milliseconds = (dice.below(3) == 0).then(|| 1 + dice.below(60));
                        let finished = act(world, &words, milliseconds);
                        assert_sound(&finished);
                        tally.ran(&finished);
                        if dice.below(5) == 0 {
                            kill_a_supervisor(world, &mut dice, tally);
                        }
                    }
                });
            }
        });
        tally.print(began.elapsed());
        // Each pod that is there works, with all that is in it.
        for pod in world
            .tare(["pod", "ps", "--format", "{{.Name}}"])
            .limit(LIMIT)
            .ok()
            .lines()
        {
            let _ = world.tare(["pod", "start", pod]).limit(LIMIT).ok();
            let filter = format!("pod={pod}");
            let running = || {
                let ps = world.tare(["ps", "--filter", &filter, "--format", "{{.Names}}"]);
                ps.limit(LIMIT).ok()
            };
            for name in running().lines() {
                until(&format!("{name} is in {pod}"), || {
                    let said = world.tare(["exec", name, "hostname"]).limit(LIMIT).run();
                    // That of a `run --rm`, or one that was told to before, ends by itself.
                    said.stdout == format!("{pod}\n") || !running().lines().any(|one| one == name)
                });
            }
            let _ = world.tare(["pod", "rm", "-f", "-t", "1", pod]).limit(LIMIT).ok();
        }
        wait_until_cleared(world);
        assert_nothing_left(world);
        // One whose maker was killed while it was recorded may come to light as late as this: nobody was told of it.
        let _ = world.tare(["pod", "rm", "-af"]).ok();
        assert_eq!(world.tare(["pod", "ps", "-q"]).ok(), "");
    });
}
