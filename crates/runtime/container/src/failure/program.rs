//! Why a command cannot be executed, read from the beginning of its file.

use crate::plan::Plan;
use crate::step::{Place, Step};
use rustix::io::Errno;
use std::ffi::CString;
use tare_error::{Error, Kind};

/// Machines by their number in an ELF header (`e_machine`), with the name that images use.
const MACHINES: &[(u16, &str)] = &[
    (3, "386"),
    (8, "mips"),
    (21, "ppc64le"),
    (22, "s390x"),
    (40, "arm"),
    (62, "amd64"),
    (183, "arm64"),
    (243, "riscv64"),
    (258, "loong64"),
];

/// Type of the program header that names the interpreter.
const PT_INTERP: u32 = 3;

/// The command is nowhere.
pub(crate) fn not_found(plan: &Plan, step: &Step) -> Error {
    let error = Error::new(Kind::CommandNotFound, step.name, &step.subject);
    if step.subject.contains('/') {
        return error.because("no such file in the container");
    }
    if plan.searched.is_empty() {
        return error
            .because("not found: PATH is empty")
            .hint("give the whole path of the command");
    }
    error.because(format!("not found in {}", plan.searched.join(", ")))
}

/// The command is there and the kernel refuses it.
pub(crate) fn not_executable(
    plan: &Plan,
    step: &Step,
    place: Option<&CString>,
    errno: Errno,
    head: &[u8],
) -> Error {
    let place = place.map_or_else(|| step.subject.clone(), |p| p.to_string_lossy().into_owned());
    let error = Error::new(Kind::CommandNotExecutable, step.name, place);
    let is_confined = plan.steps().iter().any(|step| step.place == Place::Confinement);
    match (errno, reason(errno, head)) {
        (Errno::ACCESS, _) => error.because("permission denied").hint(match is_confined {
            false => "it is a directory, is not marked executable, or lies on a mount with noexec",
            true => "what confines it by Landlock must allow to execute it, its interpreter and its loader",
        }),
        (Errno::NOENT | Errno::NOTDIR, Some(reason)) => {
            error.because(reason).from_source(std::io::Error::from(errno))
        }
        (_, Some(reason)) => error.because(reason),
        (errno, None) => error.from_source(std::io::Error::from(errno)),
    }
}

/// What the beginning of the file says about the error.
fn reason(errno: Errno, head: &[u8]) -> Option<String> {
    let own = MACHINES.iter().find(|(_, name)| *name == own_machine())?;
    match (errno, elf_machine(head)) {
        (Errno::NOEXEC, Some(machine)) if machine != own.0 => {
            let name = MACHINES.iter().find(|(number, _)| *number == machine);
            let name = name.map_or_else(
                || format!("machine number {machine}"),
                |(_, name)| (*name).to_owned(),
            );
            Some(format!("it is for {name}, this machine is {}", own.1))
        }
        (Errno::NOEXEC, Some(_)) => {
            Some("it is damaged, or of a kind this kernel does not execute".to_owned())
        }
        (Errno::NOEXEC, None) if head.is_empty() => Some("the file is empty".to_owned()),
        (Errno::NOEXEC, None) => Some("it is neither a program nor a script that begins with #!".to_owned()),
        (Errno::NOENT | Errno::NOTDIR, Some(_)) => {
            Some(format!("its loader {} is missing", elf_interpreter(head)?))
        }
        (Errno::NOENT | Errno::NOTDIR, None) => Some(format!(
            "its interpreter {} is missing",
            script_interpreter(head)?
        )),
        _ => None,
    }
}

/// This machine, by the name that images use.
fn own_machine() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}

/// Bytes of a little-endian field; big-endian files are for other machines, and only their machine matters.
fn field<const N: usize>(head: &[u8], at: usize) -> Option<[u8; N]> {
    head.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn is_big_endian(head: &[u8]) -> bool {
    head.get(5) == Some(&2)
}

fn elf_machine(head: &[u8]) -> Option<u16> {
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    let bytes = field(head, 18)?;
    Some(if is_big_endian(head) {
        u16::from_be_bytes(bytes)
    } else {
        u16::from_le_bytes(bytes)
    })
}

/// The interpreter of a 64-bit little-endian program, where it lies within what was read.
fn elf_interpreter(head: &[u8]) -> Option<String> {
    if head.get(4) != Some(&2) || is_big_endian(head) {
        return None;
    }
    let headers = usize::try_from(u64::from_le_bytes(field(head, 32)?)).ok()?;
    let size = usize::from(u16::from_le_bytes(field(head, 54)?));
    let count = usize::from(u16::from_le_bytes(field(head, 56)?));
    for index in 0..count {
        let at = headers.checked_add(index.checked_mul(size)?)?;
        if u32::from_le_bytes(field(head, at)?) == PT_INTERP {
            let start = usize::try_from(u64::from_le_bytes(field(head, at.checked_add(8)?)?)).ok()?;
            let name = head.get(start..)?.split(|b| *b == 0).next()?;
            return Some(String::from_utf8_lossy(name).into_owned());
        }
    }
    None
}

/// The interpreter that a script names after `#!`.
fn script_interpreter(head: &[u8]) -> Option<String> {
    let line = head.strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?;
    let text = String::from_utf8_lossy(line);
    let name = text.split_whitespace().next()?;
    // A script written on Windows asks for "/bin/sh\r".
    let carriage = if line.ends_with(b"\r") {
        " (the line ends in a carriage return)"
    } else {
        ""
    };
    Some(format!("{name}{carriage}"))
}

#[cfg(test)]
mod tests;
