//! `tare unshare`: a program in namespaces of its own, by the flags of util-linux.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output;
use crate::session::Session;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use tare_engine::container::request::parse_signal;
use tare_error::{Context, Error, Kind, Result};
use tare_process::{CloneFlags, Ended, IdRange, Place, Propagation, Unshare, end_by, first_subordinate};

pub(super) const VERB: Verb = Verb {
    name: "unshare",
    about: "run a program in namespaces of its own",
    operands: Operands::Program(
        "PROGRAM [ARG...]",
        "a program; the shell of $SHELL, or /bin/sh, where none is named",
    ),
    heading: "Parts",
    // It makes what it is asked for, and nothing before.
    needs_engine: false,
    run,
};

/// What ends it where the program was not started: unshare(1)'s codes.
const FAILED: u8 = 1;
const CANNOT: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Options that leave a namespace, the name in `/proc/PID/ns`, and the flag.
const NAMESPACES: &[(&str, &str, CloneFlags)] = &[
    ("mount", "mnt", CloneFlags::NEWNS),
    ("uts", "uts", CloneFlags::NEWUTS),
    ("ipc", "ipc", CloneFlags::NEWIPC),
    ("net", "net", CloneFlags::NEWNET),
    ("pid", "pid", CloneFlags::NEWPID),
    ("user", "user", CloneFlags::NEWUSER),
    ("cgroup", "cgroup", CloneFlags::NEWCGROUP),
    ("time", "time", CloneFlags::NEWTIME),
];

/// What a signal's number is added to, where it ended the program and could not end us.
const SIGNALLED: i32 = 128;

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let shell = session
        .environment
        .path("SHELL")
        .unwrap_or_else(|| "/bin/sh".into());
    let told = asked(low).and_then(|asked| {
        asked.run(|settled| match settled {
            Ok(()) => execute(program(&low.words(), &shell)),
            Err(e) => fail(&e),
        })
    });
    Ok(match told {
        Ok(Ended::Exited(code)) => ExitCode::from(code),
        Ok(Ended::Killed(signal)) => {
            end_by(signal);
            ExitCode::from(u8::try_from(SIGNALLED + signal).unwrap_or(u8::MAX))
        }
        Err(e) => ExitCode::from(fail(&e)),
    })
}

fn fail(error: &Error) -> u8 {
    output::fail(error, false);
    FAILED
}

/// The program that was named, or the shell as a login starts it.
fn program(words: &[&OsString], shell: &Path) -> Command {
    let Some((name, arguments)) = words.split_first() else {
        let mut shown = OsString::from("-");
        shown.push(shell.file_name().unwrap_or_default());
        let mut command = Command::new(shell);
        command.arg0(shown);
        return command;
    };
    let mut command = Command::new(name);
    command.args(arguments);
    command
}

/// Becomes the program; returns where that failed, with the code for why.
pub(super) fn execute(mut command: Command) -> u8 {
    let failed = command.exec();
    let code = match failed.kind() {
        std::io::ErrorKind::NotFound => NOT_FOUND,
        _ => CANNOT,
    };
    let name = command.get_program().to_string_lossy().into_owned();
    output::fail(&Error::os("execute", name, failed), false);
    code
}

/// What was typed, as what is asked for.
fn asked(low: &Low<'_>) -> Result<Unshare> {
    let mut asked = Unshare::new();
    for (option, name, flag) in NAMESPACES {
        let Some(file) = low.text(option)? else { continue };
        asked.namespaces |= *flag;
        if !file.is_empty() {
            let file = std::path::absolute(file).op("find", file)?;
            asked.kept.push((name, file));
        }
    }
    asked.fork = low.switch("fork");
    if let Some(signal) = low.text("kill-child")? {
        let signal = if signal.is_empty() { "KILL" } else { signal };
        asked.kill_child = Some(parse_signal(signal)?);
        asked.fork = true;
    }
    ask_ids(low, &mut asked)?;
    ask_place(low, &mut asked)?;
    asked.user = low.parsed("setuid", parse_number)?;
    asked.group = low.parsed("setgid", parse_number)?;
    asked.keep_capabilities = low.switch("keep-caps");
    for clock in ["monotonic", "boottime"] {
        let seconds = low.parsed(clock, parse_number)?;
        asked.clocks.extend(seconds.map(|seconds| (clock, seconds)));
    }
    Ok(asked)
}

fn ask_ids(low: &Low<'_>, asked: &mut Unshare) -> Result<()> {
    let ids = &mut asked.ids;
    if low.switch("map-root-user") {
        (ids.user, ids.group) = (Some(0), Some(0));
    }
    if low.switch("map-current-user") {
        ids.user = Some(rustix::process::geteuid().as_raw());
        ids.group = Some(rustix::process::getegid().as_raw());
    }
    let named = |file: &'static str| move |text: &str| parse_name(text, file);
    ids.user = low.parsed("map-user", named("/etc/passwd"))?.or(ids.user);
    ids.group = low.parsed("map-group", named("/etc/group"))?.or(ids.group);
    let range = |file: &'static str| move |text: &str| parse_range(text, file);
    ids.users = low.all_parsed("map-users", range("/etc/subuid"))?;
    ids.groups = low.all_parsed("map-groups", range("/etc/subgid"))?;
    if low.switch("map-auto") {
        ids.users.push(first_subordinate("/etc/subuid")?);
        ids.groups.push(first_subordinate("/etc/subgid")?);
    }
    ids.set_groups = low.parsed("setgroups", parse_allowed)?;
    let is_mapped = ids.user.or(ids.group).is_some() || !ids.users.is_empty() || !ids.groups.is_empty();
    if is_mapped {
        asked.namespaces |= CloneFlags::NEWUSER;
    }
    Ok(())
}

fn ask_place(low: &Low<'_>, asked: &mut Unshare) -> Result<()> {
    let path = |long| Ok::<_, Error>(low.text(long)?.map(PathBuf::from));
    let proc = low.text("mount-proc")?;
    if proc.is_some() {
        asked.namespaces |= CloneFlags::NEWNS;
    }
    asked.place = Place {
        propagation: low.parsed("propagation", Propagation::parse)?.unwrap_or_default(),
        proc: proc.map(|proc| PathBuf::from(if proc.is_empty() { "/proc" } else { proc })),
        root: path("root")?,
        directory: path("wd")?,
    };
    Ok(())
}

fn parse_number<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| {
        Error::new(Kind::Invalid, "read number", format!("{text:?}")).because("it is not one, or too big")
    })
}

/// A number, or a name that a file of `name:x:number` lines knows.
fn parse_name(text: &str, file: &'static str) -> Result<u32> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let lines = std::fs::read_to_string(file).op("read", file)?;
    let of = |line: &str| {
        let mut fields = line.split(':');
        (fields.next() == Some(text))
            .then(|| fields.nth(1)?.parse().ok())
            .flatten()
    };
    lines.lines().find_map(of).ok_or_else(|| {
        Error::new(Kind::NotFound, "find", format!("{text:?}")).because(format!("{file} has no such name"))
    })
}

/// `IN:OUT:COUNT`, or `OUT,IN,COUNT` as util-linux had it before 2.39, or `auto`.
fn parse_range(text: &str, file: &str) -> Result<IdRange> {
    if text == "auto" {
        return first_subordinate(file);
    }
    let numbers = |by: char| -> Option<[u32; 3]> {
        let numbers: Option<Vec<u32>> = text.split(by).map(|number| number.parse().ok()).collect();
        numbers?.try_into().ok()
    };
    let found =
        numbers(':').or_else(|| numbers(',').map(|[outside, inside, count]| [inside, outside, count]));
    match found {
        Some([inside, outside, count]) if count > 0 => Ok(IdRange {
            inside: Some(inside),
            outside,
            count,
        }),
        _ => Err(
            Error::new(Kind::Invalid, "read range of ids", format!("{text:?}"))
                .because("it is not three numbers")
                .hint("give the first id inside, the first outside, and how many: 0:100000:65536"),
        ),
    }
}

fn parse_allowed(text: &str) -> Result<bool> {
    match text {
        "allow" => Ok(true),
        "deny" => Ok(false),
        _ => Err(Error::new(Kind::Invalid, "read word", format!("{text:?}")).because("it is allow or deny")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_in_both_forms() {
        let range = IdRange {
            inside: Some(1),
            outside: 1000,
            count: 7,
        };
        for text in ["1:1000:7", "1000,1,7"] {
            assert_eq!(parse_range(text, "").unwrap(), range, "{text}");
        }
        for text in ["", "1:2", "1:2:0", "a:b:c", "1:2,3", "1:2:3:4", "-1:2:3"] {
            assert!(parse_range(text, "").is_err(), "{text}");
        }
    }
}
