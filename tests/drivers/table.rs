//! A table of commands, each run with an engine's own runtime and with ours.

use crate::machine::{Machine, groups, remove_group};
use tare_kit::{Finished, World};

/// How long one row may take with one runtime, in seconds; it is ended then.
const LIMIT: &str = "30";

/// What timeout(1) ends with then.
const TIMED_OUT: i32 = 124;

/// An engine.
pub(crate) struct Engine {
    /// Starts it: a script that ends when it serves. `$LOG` is where it logs.
    pub(crate) start: &'static str,
    /// Stops it.
    pub(crate) stop: &'static str,
    /// What comes before each row.
    pub(crate) prelude: &'static str,
    /// The runtime it ships with, and ours, as `$R` names them to it.
    pub(crate) runtimes: [&'static str; 2],
    /// Prints what containers there are; nothing after the last row.
    pub(crate) list: &'static str,
    /// Removes every container that a row left which failed, or which a peer did not end.
    pub(crate) clear: &'static str,
    /// The fixtures that its rows find below `/opt`.
    pub(crate) fixtures: &'static [&'static str],
    /// The groups that it keeps.
    pub(crate) keeps: &'static [&'static str],
}

/// One row: a script which is run with `$R`, the runtime, and `$N`, a name of its own.
#[derive(Clone)]
pub(crate) struct Row {
    name: &'static str,
    script: &'static str,
    prints: Prints,
    /// Whether the two runtimes have their turns one after the other.
    apart: bool,
}

/// What a row's script prints.
#[derive(Clone)]
enum Prints {
    Same,
    This(&'static str),
    Differs {
        theirs: &'static str,
        ours: &'static str,
    },
}

/// A row whose script prints this with either runtime.
pub(crate) const fn says(name: &'static str, script: &'static str, text: &'static str) -> Row {
    let prints = Prints::This(text);
    Row {
        name,
        script,
        prints,
        apart: false,
    }
}

/// The same, for a script that the other runtime's must not run beside.
pub(crate) const fn apart(name: &'static str, script: &'static str, text: &'static str) -> Row {
    let prints = Prints::This(text);
    Row {
        name,
        script,
        prints,
        apart: true,
    }
}

/// A row whose script prints the same with either runtime, whatever that is, and something.
pub(crate) const fn same(name: &'static str, script: &'static str) -> Row {
    let prints = Prints::Same;
    Row {
        name,
        script,
        prints,
        apart: false,
    }
}

/// A row in which we differ on purpose; docs/conformance/drivers.md says why.
pub(crate) const fn differs(
    name: &'static str,
    script: &'static str,
    theirs: &'static str,
    ours: &'static str,
) -> Row {
    let prints = Prints::Differs { theirs, ours };
    Row {
        name,
        script,
        prints,
        apart: false,
    }
}

/// Runs a table on a machine of its own; all rows that fail are told.
pub(crate) fn run(world: &World, engine: &Engine, rows: &[Row]) {
    let machine = Machine::furnish(world, engine.fixtures);
    let _ = machine.sh(engine.start, &[]).ok();
    let failures: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            // On a busy machine an engine can lose what a program printed that ended at once, with any runtime: what fails
            // twice is told, what fails once is shown.
            let first = row.failure(&machine, engine, "")?;
            println!("once more, as it failed:\n{first}");
            let _ = machine.sh(engine.clear, &[]).run();
            let second = row.failure(&machine, engine, "-again")?;
            let _ = machine.sh(engine.clear, &[]).run();
            Some(second)
        })
        .collect();
    let left = machine.sh(engine.list, &[]).ok();
    let log = if failures.is_empty() && left.is_empty() {
        String::new()
    } else {
        machine
            .sh("grep -E 'level=(warning|error|fatal)' /tmp/log | tail -n 10", &[])
            .run()
            .stdout
    };
    let _ = machine.sh(engine.stop, &[]).ok();
    drop(machine);
    assert!(
        failures.is_empty(),
        "{}\nthe engine's log ends:\n{log}",
        failures.join("\n")
    );
    assert_eq!(left, "", "containers are left; the engine's log ends:\n{log}");
    let left: Vec<String> = groups()
        .into_iter()
        .filter(|group| !engine.keeps.contains(&group.as_str()))
        .collect();
    assert!(left.is_empty(), "control groups are left: {left:?}");
    engine.keeps.iter().for_each(|group| remove_group(group));
}

impl Row {
    /// The same, with turns one after the other.
    pub(crate) const fn apart(mut self) -> Row {
        self.apart = true;
        self
    }

    /// What is wrong, where something is. `attempt` tells the names of two attempts apart.
    fn failure(&self, machine: &Machine, engine: &Engine, attempt: &str) -> Option<String> {
        let script = format!("{}\n{}", engine.prelude, self.script);
        let with = |runtime: &'static str, side: &str| {
            let name = format!("{}-{side}{attempt}", self.name.replace(' ', "-"));
            let variables = [("R", runtime), ("N", &name), ("SCRIPT", &script)];
            machine
                .sh(
                    &format!("exec timeout -k 5 {LIMIT} sh -c \"$SCRIPT\""),
                    &variables,
                )
                .run()
        };
        let [theirs, ours] = engine.runtimes;
        let (theirs, ours) = if self.apart {
            (with(theirs, "theirs"), with(ours, "ours"))
        } else {
            std::thread::scope(|scope| {
                let theirs = scope.spawn(|| with(theirs, "theirs"));
                let ours = with(ours, "ours");
                (theirs.join().expect("run a script"), ours)
            })
        };
        let seen = |ran: &Finished| (ran.code(), ran.stdout.trim_end().to_owned());
        let (theirs_seen, ours_seen) = (seen(&theirs), seen(&ours));
        let fine = match self.prints {
            // Two that fail alike print nothing, and show nothing.
            Prints::Same => {
                theirs_seen == ours_seen && theirs_seen.0 != Some(TIMED_OUT) && !theirs_seen.1.is_empty()
            }
            // A peer that hangs says nothing of us, where it is known what is right.
            Prints::This(text) if theirs_seen.0 == Some(TIMED_OUT) => {
                println!("{}: theirs did not end", self.name);
                let _ = machine.sh(engine.clear, &[]).run();
                ours_seen == (Some(0), text.to_owned())
            }
            Prints::This(text) => theirs_seen == ours_seen && ours_seen.1 == text,
            Prints::Differs { theirs, ours } => {
                (&*theirs_seen.1, &*ours_seen.1) == (theirs, ours) && theirs_seen.0 == ours_seen.0
            }
        };
        let wanted = match self.prints {
            Prints::Same => String::new(),
            Prints::This(text) => format!("wanted of both:\n{text}\n"),
            Prints::Differs { theirs, ours } => {
                format!("wanted of theirs:\n{theirs}\nwanted of ours:\n{ours}\n")
            }
        };
        let side = |name: &str, ran: &Finished| {
            format!(
                "{name} ended with {:?}, said:\n{}\n and on standard error:\n{}",
                ran.code(),
                ran.stdout,
                ran.stderr
            )
        };
        (!fine).then(|| {
            format!(
                "--- {}\n{}\n{}{wanted}",
                self.name,
                side("theirs", &theirs),
                side("ours", &ours)
            )
        })
    }
}
