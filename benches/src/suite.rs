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
//! Words are separated by blanks; double quotes keep blanks. No shell is between the driver and a command.

use crate::contender::{Contender, Role};

/// What is compared.
#[derive(Debug, PartialEq)]
pub(crate) struct Suite {
    pub(crate) title: String,
    pub(crate) contenders: Vec<Contender>,
}

impl Suite {
    /// Reads a suite; an error names the line.
    pub(crate) fn parse(text: &str) -> Result<Suite, String> {
        let mut suite = Suite {
            title: String::new(),
            contenders: Vec::new(),
        };
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            if !line.is_empty() && !line.starts_with('#') {
                suite.line(line).map_err(|why| format!("line {number}: {why}"))?;
            }
        }
        match suite.contenders.iter().find(|c| c.command.is_empty()) {
            Some(c) => Err(format!("{} has no command", c.name)),
            None if suite.contenders.is_empty() => Err("lists nothing to measure".to_owned()),
            None => Ok(suite),
        }
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let (word, rest) = line.split_once(' ').ok_or("expected a word and what it says")?;
        let role = match word {
            "title" => {
                rest.clone_into(&mut self.title);
                return Ok(());
            }
            "prepare" | "command" => return self.command(word, rest),
            "baseline" => Role::Baseline,
            "ours" => Role::Ours,
            "rival" => Role::Rival,
            other => {
                return Err(format!(
                    "`{other}` is not one of title, baseline, ours, rival, prepare, command"
                ));
            }
        };
        self.contenders.push(Contender {
            name: rest.to_owned(),
            role,
            prepare: Vec::new(),
            command: Vec::new(),
        });
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
            _ if last.command.is_empty() => last.command = words,
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
        assert_eq!(suite.contenders[0].command, ["x", "1"]);
        assert_eq!(
            (suite.contenders[1].name.as_str(), suite.contenders[1].role),
            ("y z", Role::Rival)
        );
    }

    #[test]
    fn a_bad_line_is_named() {
        let table = [
            ("ours x\nfoo bar", "line 2: `foo` is not one of"),
            ("command x", "line 1: a command before"),
            ("ours x", "x has no command"),
            ("ours x\ncommand \"a", "line 2: a double quote"),
            ("", "lists nothing"),
        ];
        for (text, why) in table {
            let e = Suite::parse(text).unwrap_err();
            assert!(e.starts_with(why), "{e}");
        }
    }
}
