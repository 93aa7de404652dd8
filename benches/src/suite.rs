//! A suite: a text that lists contenders, so that a rival is data.
//!
//! ```text
//! # a comment
//! title run: true in busybox
//! rival podman with crun
//! prepare sh -c "podman import /bench/busybox.tar busybox"
//! command podman run --rm --network none busybox true
//! ```
//!
//! Instead of one `command` a contender may have several `step NAME ...`, which share a round and get a table per name;
//! `gone` between them waits until all that they left behind is gone. `net` takes the baseline off every figure;
//! `parallel N` runs each command N times at once, with its number for `{}`.
//!
//! Words are separated by blanks; double quotes keep blanks. No shell is between the driver and a command.

use crate::contender::{Contender, Role, Step};

/// What is compared.
#[derive(Debug, PartialEq)]
pub(crate) struct Suite {
    pub(crate) title: String,
    /// Figures are net of the baseline's.
    pub(crate) net: bool,
    /// How many of a command run at once.
    pub(crate) parallel: usize,
    pub(crate) contenders: Vec<Contender>,
}

impl Suite {
    /// Reads a suite; an error names the line.
    pub(crate) fn parse(text: &str) -> Result<Suite, String> {
        let mut suite = Suite {
            title: String::new(),
            net: false,
            parallel: 1,
            contenders: Vec::new(),
        };
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            if !line.is_empty() && !line.starts_with('#') {
                suite.line(line).map_err(|why| format!("line {number}: {why}"))?;
            }
        }
        match suite.contenders.iter().find(|c| c.measured().next().is_none()) {
            Some(c) => Err(format!("{} has no command", c.name)),
            None if suite.contenders.is_empty() => Err("lists nothing to measure".to_owned()),
            None => Ok(suite),
        }
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        match line {
            "net" => {
                self.net = true;
                return Ok(());
            }
            "gone" => return self.step(Step::Gone),
            _ => {}
        }
        let (word, rest) = line.split_once(' ').ok_or("expected a word and what it says")?;
        let role = match word {
            "title" => {
                rest.clone_into(&mut self.title);
                return Ok(());
            }
            "parallel" => {
                self.parallel = rest.parse().ok().filter(|n| *n > 0).ok_or("not a number")?;
                return Ok(());
            }
            "prepare" | "command" => return self.command(word, rest),
            "step" => {
                let (name, command) = rest.split_once(' ').ok_or("a step without a command")?;
                let words = words(command).ok_or("a double quote is not closed")?;
                return self.step(Step::Measured(name.to_owned(), words));
            }
            "baseline" => Role::Baseline,
            "ours" => Role::Ours,
            "rival" => Role::Rival,
            other => {
                return Err(format!(
                    "`{other}` is not one of title, net, parallel, baseline, ours, rival, prepare, command, step, gone"
                ));
            }
        };
        self.contenders.push(Contender {
            name: rest.to_owned(),
            role,
            prepare: Vec::new(),
            steps: Vec::new(),
        });
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), String> {
        let last = self.contenders.last_mut().ok_or("a step before its contender")?;
        last.steps.push(step);
        Ok(())
    }

    fn command(&mut self, word: &str, rest: &str) -> Result<(), String> {
        let last = self
            .contenders
            .last_mut()
            .ok_or("a command before its contender")?;
        let words = words(rest).ok_or("a double quote is not closed")?;
        match word {
            "prepare" => last.prepare.push(words),
            _ if last.steps.is_empty() => last.steps.push(Step::Measured(String::new(), words)),
            _ => return Err(format!("{} has two commands", last.name)),
        }
        Ok(())
    }
}

fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_is_read() {
        let text = "# c\ntitle a b\n\nours x\nprepare sh -c \"a b\" c\ncommand x  1\nrival y z\ncommand y\n";
        let suite = Suite::parse(text).unwrap();
        assert_eq!(suite.title, "a b");
        assert_eq!(suite.contenders[0].prepare, [["sh", "-c", "a b", "c"]]);
        assert_eq!(
            suite.contenders[0].steps,
            [Step::Measured(String::new(), vec!["x".into(), "1".into()])]
        );
        assert!(!suite.net && suite.parallel == 1);
        assert_eq!(
            (suite.contenders[1].name.as_str(), suite.contenders[1].role),
            ("y z", Role::Rival)
        );
    }

    #[test]
    fn steps_share_a_round() {
        let suite =
            Suite::parse("net\nparallel 20\nours x\nstep create x {}\ngone\nstep delete y\n").unwrap();
        assert!(suite.net && suite.parallel == 20);
        assert_eq!(suite.contenders[0].steps[1], Step::Gone);
        let names: Vec<&str> = suite.contenders[0].measured().map(|(name, _)| name).collect();
        assert_eq!(names, ["create", "delete"]);
    }

    #[test]
    fn a_bad_line_is_named() {
        let table = [
            ("ours x\nfoo bar", "line 2: `foo` is not one of"),
            ("command x", "line 1: a command before"),
            ("ours x", "x has no command"),
            ("ours x\ncommand \"a", "line 2: a double quote"),
            ("gone", "line 1: a step before"),
            ("parallel 0", "line 1: not a number"),
            ("", "lists nothing"),
        ];
        for (text, why) in table {
            let e = Suite::parse(text).unwrap_err();
            assert!(e.starts_with(why), "{e}");
        }
    }
}
