//! What annotations of a configuration ask for: crun's extensions, by crun's names (`run.oci.*`, crun(1)), and one of ours.
//!
//! Annotations are read here and nowhere else, each into a type of its own and strictly; those of other names mean
//! nothing. An engine that lets others write them gives these rights away, which is why `features` names them
//! ([`UNSAFE_ANNOTATIONS`]).

mod landlock;

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags};
use std::collections::BTreeMap;
use std::path::Path;
use tare_cgroup::GroupPath;
use tare_container::{LabelOption, Landlock};
use tare_error::{Context, Error, Kind, Result};
use tare_spec_oci::TimeOffset;

/// The names of annotations, or where they end in a dot all names that begin so, that change how a container is made
/// (runtime-spec: `features.md`, "potentiallyUnsafeConfigAnnotations").
pub(crate) const UNSAFE_ANNOTATIONS: &[&str] = &["org.systemd.property.", "run.oci."];

const RAW_FILTER: &str = "run.oci.seccomp_bpf_data";
const RECEIVER: &str = "run.oci.seccomp.receiver";
const UNKNOWN_CALLS: &str = "run.oci.seccomp_fail_unknown_syscall";
const TIME_OFFSETS: &str = "run.oci.timens_offset";
const SUB_GROUP: &str = "run.oci.systemd.subgroup";
const KEEP_GROUPS: &str = "run.oci.keep_original_groups";
const DELEGATE: &str = "run.oci.delegate-cgroup";
const PIDFD_RECEIVER: &str = "run.oci.pidfd_receiver";
const HOOK_OUTPUT: [&str; 2] = ["run.oci.hooks.stdout", "run.oci.hooks.stderr"];
const LABEL_OPTION: &str = "run.oci.mount_context_type";
/// Ours: the specification has no word for it. It only takes rights away, so that nothing is unsafe about it.
const LANDLOCK: &str = "io.tare.landlock";

/// The annotations of one configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Annotations<'a>(pub(crate) &'a BTreeMap<String, String>);

impl<'a> Annotations<'a> {
    /// Reads all of them, so that what is wrong is told before anything is made.
    pub(crate) fn check(self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        self.raw_filter()?;
        self.keeps_groups()?;
        self.delegated()?;
        self.sub_group()?;
        self.seccomp_receiver()?;
        self.refuses_unknown_calls()?;
        self.time_offsets()?;
        self.pidfd_receiver()?;
        self.label_option()?;
        self.landlock()?;
        HOOK_OUTPUT
            .iter()
            .try_for_each(|name| self.path(name).map(|_| ()))
    }

    /// A program that is loaded in place of the policy of system calls.
    pub(crate) fn raw_filter(self) -> Result<Option<Vec<u8>>> {
        let Some(text) = self.given(RAW_FILTER) else {
            return Ok(None);
        };
        let program = decode(text).ok_or_else(|| wrong(RAW_FILTER, "it is not base64"))?;
        match tare_seccomp::check_program(&program) {
            Ok(()) => Ok(Some(program)),
            Err(why) => Err(wrong(RAW_FILTER, why)),
        }
    }

    /// Whether the processes keep the groups that the caller has.
    pub(crate) fn keeps_groups(self) -> Result<bool> {
        self.flag(KEEP_GROUPS)
    }

    /// Whether a policy that names system calls which nobody knows is an error.
    pub(crate) fn refuses_unknown_calls(self) -> Result<bool> {
        self.flag(UNKNOWN_CALLS)
    }

    /// The socket that gets the listener of the policy or of the program in its place, where `linux.seccomp` names none.
    pub(crate) fn seccomp_receiver(self) -> Result<Option<&'a Path>> {
        self.path(RECEIVER)
    }

    /// The clocks of a new time namespace, where `linux.timeOffsets` sets none: lines of a clock, by its name or its number
    /// in the kernel (clock_gettime(2)), seconds and nanoseconds.
    pub(crate) fn time_offsets(self) -> Result<BTreeMap<String, TimeOffset>> {
        let offset = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [clock, secs, nanosecs] = words.as_slice() else {
                return None;
            };
            let clock = match *clock {
                "monotonic" | "1" => "monotonic",
                "boottime" | "7" => "boottime",
                _ => return None,
            };
            let (secs, nanosecs) = (secs.parse().ok()?, nanosecs.parse().ok()?);
            Some((clock.to_owned(), TimeOffset { secs, nanosecs }))
        };
        let lines = self.given(TIME_OFFSETS).unwrap_or_default().lines();
        lines
            .map(|line| {
                offset(line).ok_or_else(|| {
                    wrong(
                        TIME_OFFSETS,
                        format!("{line:?} is no clock with its seconds and nanoseconds"),
                    )
                })
            })
            .collect()
    }

    /// The group below the container's own in which its processes live, as their own to divide.
    pub(crate) fn delegated(self) -> Result<Option<String>> {
        self.group(DELEGATE)
    }

    /// The group below the one that systemd makes which is the container's own in place of that.
    pub(crate) fn sub_group(self) -> Result<Option<String>> {
        self.group(SUB_GROUP)
    }

    /// The socket that gets a handle on the first process.
    pub(crate) fn pidfd_receiver(self) -> Result<Option<&'a Path>> {
        self.path(PIDFD_RECEIVER)
    }

    /// Where hooks write to, standard output and error: at the end of files, which are made where they are missing.
    pub(crate) fn hook_output(self) -> Result<[Option<OwnedFd>; 2]> {
        let [stdout, stderr] = HOOK_OUTPUT;
        Ok([self.appended(stdout)?, self.appended(stderr)?])
    }

    /// As what option of a file system its label is given.
    pub(crate) fn label_option(self) -> Result<LabelOption> {
        Ok(match self.given(LABEL_OPTION) {
            None | Some("context") => LabelOption::Context,
            Some("fscontext") => LabelOption::FsContext,
            Some("defcontext") => LabelOption::DefContext,
            Some("rootcontext") => LabelOption::RootContext,
            Some(other) => {
                let why = format!("{other:?} is none of context, fscontext, defcontext, rootcontext");
                return Err(wrong(LABEL_OPTION, why));
            }
        })
    }

    /// What confines every process of the container.
    pub(crate) fn landlock(self) -> Result<Option<Landlock>> {
        self.given(LANDLOCK)
            .map(|text| landlock::read(text).map_err(|why| wrong(LANDLOCK, why)))
            .transpose()
    }

    /// An annotation's value; an empty one is as none.
    fn given(self, name: &str) -> Option<&'a str> {
        let value = self.0.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    fn flag(self, name: &'static str) -> Result<bool> {
        match self.given(name) {
            None | Some("0" | "false") => Ok(false),
            Some("1" | "true") => Ok(true),
            Some(other) => Err(wrong(name, format!("{other:?} is neither 1 nor 0"))),
        }
    }

    /// One name of a group.
    fn group(self, name: &'static str) -> Result<Option<String>> {
        let Some(text) = self.given(name) else {
            return Ok(None);
        };
        let path = GroupPath::parse(text).map_err(|e| wrong(name, "it names no group").from_source(e))?;
        if path.parent().is_some() {
            return Err(wrong(name, format!("{text:?} is more than one name")));
        }
        Ok(Some(path.name().to_owned()))
    }

    fn path(self, name: &'static str) -> Result<Option<&'a Path>> {
        let path = self.given(name).map(Path::new);
        match path {
            Some(path) if !path.is_absolute() => Err(wrong(name, "it must be an absolute path")),
            path => Ok(path),
        }
    }

    fn appended(self, name: &'static str) -> Result<Option<OwnedFd>> {
        let Some(path) = self.path(name)? else {
            return Ok(None);
        };
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOCTTY;
        let opened = rustix::fs::openat(CWD, path, flags, Mode::from_raw_mode(0o600));
        opened.op("open", path.display()).map(Some)
    }
}

fn wrong(name: &'static str, why: impl std::fmt::Display) -> Error {
    Error::new(Kind::Invalid, "read annotation", name).because(why)
}

/// The bytes of a text in base64 with its padding (RFC 4648, section 4).
fn decode(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| {
        Some(u32::from(match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        }))
    };
    let (groups, []) = text.trim_ascii_end().as_bytes().as_chunks::<4>() else {
        return None;
    };
    let mut bytes = Vec::with_capacity(groups.len() * 3);
    for (at, group) in groups.iter().enumerate() {
        let padding = group.iter().rev().take_while(|byte| **byte == b'=').count();
        if padding > 2 || (padding > 0 && at + 1 < groups.len()) {
            return None;
        }
        let digits = group.get(..4 - padding)?;
        let value = digits
            .iter()
            .try_fold(0, |value, byte| Some(value << 6 | digit(byte)?))?;
        let [_, decoded @ ..] = (value << (6 * padding)).to_be_bytes();
        bytes.extend(decoded.get(..3 - padding)?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(name: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn base64() {
        for (text, bytes) in [
            ("", Some(&b""[..])),
            ("Zg==", Some(b"f")),
            ("Zm8=", Some(b"fo")),
            ("Zm9v", Some(b"foo")),
            ("Zm9vYmFy\n", Some(b"foobar")),
            ("+/+/", Some(&[0xfb, 0xff, 0xbf])),
            ("Zg", None),
            ("Zg==Zg==", None),
            ("Z===", None),
            ("Zm 9", None),
            ("Zm9-", None),
        ] {
            assert_eq!(decode(text).as_deref(), bytes, "{text:?}");
        }
    }

    #[test]
    fn each_is_read_strictly() {
        for (name, value, part) in [
            (RAW_FILTER, "no base64!", "not base64"),
            (RAW_FILTER, "AAAA", "3 bytes"),
            (RAW_FILTER, "IAAAAAAAAAA=", "does not return"),
            (KEEP_GROUPS, "yes", "neither 1 nor 0"),
            (DELEGATE, "..", "names no group"),
            (DELEGATE, "a/b", "more than one name"),
            (SUB_GROUP, "a/b", "more than one name"),
            (RECEIVER, "socket", "absolute"),
            (UNKNOWN_CALLS, "no", "neither 1 nor 0"),
            (TIME_OFFSETS, "realtime 1 0", "no clock"),
            (TIME_OFFSETS, "7 1", "no clock"),
            (TIME_OFFSETS, "7 1 -1", "no clock"),
            (PIDFD_RECEIVER, "socket", "absolute"),
            (HOOK_OUTPUT[0], "file", "absolute"),
            (HOOK_OUTPUT[1], "file", "absolute"),
            (LABEL_OPTION, "mode=744,context", "is none of"),
        ] {
            let error = Annotations(&map(name, value)).check().unwrap_err();
            let told = format!("{error:?}");
            assert!(told.contains(part) && told.contains(name), "{told}");
        }
        for (name, value) in [
            (RAW_FILTER, "BgAAAAAA/38="),
            (KEEP_GROUPS, "1"),
            (DELEGATE, "/init"),
            (SUB_GROUP, ""),
            (TIME_OFFSETS, "monotonic 5 0\n7 -3 1\n"),
            (LABEL_OPTION, "rootcontext"),
            ("run.oci.handler", "krun"),
            ("run.oci.nosuch", "\0"),
        ] {
            assert!(Annotations(&map(name, value)).check().is_ok(), "{name}");
        }
    }
}
