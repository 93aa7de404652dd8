//! **What.** Runs commands alternately, many times, and prints what each cost: `tare-benches SUITE [-n ROUNDS]`.
//!
//! **Not.** No thresholds: a figure is for a table and for a person. Making the ground (a root with the rivals in it)
//! is `benches/sidroot`'s, and `benches/run/run` puts both together.
//!
//! **Words.** *Contender*: a command of the suite. *Ours*: the one the others are compared with. *Round*: each
//! contender once, in an order that rotates, so that none always runs first. *Wall*: until the command itself has
//! ended, as its caller waits. *CPU*: of the command and of all it left behind, until the last of it is gone. *Net*:
//! less what an empty static program costs. *Step*: one of several commands of a round, with a table of its own.
//!
//! **Life.** read the suite → prepare each contender, leave out those that cannot → warm up → rounds → table.
//!
//! **Rules.** Medians and minima, never means. This process is a subreaper, so that supervisors and monitors which
//! leave their starter are counted: Linux adds a process's CPU time to whoever waits for it.

mod contender;
mod measure;
mod suite;
mod table;

use contender::{Contender, Step};
use measure::{Cost, gone, measure};
use std::collections::BTreeMap;
use std::process::ExitCode;
use suite::Suite;

/// Rounds that are not counted: caches fill, files are opened for the first time.
const WARM_UP: usize = 3;

/// Fewer rounds than this say nothing about a median.
const ROUNDS: usize = 30;

/// The costs of one contender, by table.
type Costs<'a> = BTreeMap<&'a str, Vec<Cost>>;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (path, rounds) = match (arguments.next(), arguments.next().as_deref(), arguments.next()) {
        // The baseline: a static program that does nothing.
        (Some(nothing), None, None) if nothing == "--nothing" => return ExitCode::SUCCESS,
        (Some(path), None, None) => (path, Some(ROUNDS)),
        (Some(path), Some("-n"), Some(n)) => (path, n.parse().ok().filter(|n| *n > 0)),
        _ => (String::new(), None),
    };
    let Some(rounds) = rounds else {
        eprintln!("usage: tare-benches SUITE [-n ROUNDS]");
        return ExitCode::from(2);
    };
    match run(&path, rounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("tare-benches: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(path: &str, rounds: usize) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    let suite = Suite::parse(&text).map_err(|e| format!("{path}: {e}"))?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|e| format!("subreaper: {e}"))?;
    let ready: Vec<&Contender> = suite.contenders.iter().filter(|c| prepared(c)).collect();
    let mut costs: Vec<Costs> = vec![Costs::new(); ready.len()];
    for round in 0..WARM_UP + rounds {
        for turn in 0..ready.len() {
            let which = (round + turn) % ready.len();
            let spent = once(ready[which], suite.parallel)?;
            if round >= WARM_UP {
                for (table, cost) in spent {
                    costs[which].entry(table).or_default().push(cost);
                }
            }
        }
    }
    print!("{}", table::tables(&suite, &ready, &costs));
    Ok(())
}

/// What each command of one round cost, with the name of its table.
fn once(contender: &Contender, parallel: usize) -> Result<Vec<(&str, Cost)>, String> {
    let steps = &contender.steps;
    let mut spent = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        match step {
            Step::Gone => gone(),
            Step::Measured(table, command) => {
                let stays = index + 1 < steps.len();
                spent.push((table.as_str(), measure(command, parallel, stays)?));
            }
        }
    }
    Ok(spent)
}

/// Prepares a contender; says loudly where that cannot be done.
fn prepared(contender: &Contender) -> bool {
    for step in &contender.prepare {
        if let Err(why) = measure(step, 1, false) {
            println!("MISSING NEED: {} is left out: {why}", contender.name);
            return false;
        }
    }
    match once(contender, 1) {
        Ok(_) => true,
        Err(why) => {
            println!("MISSING NEED: {} is left out: {why}", contender.name);
            false
        }
    }
}
