//! Heads of files, good and bad.

use super::*;

/// A 64-bit little-endian ELF header for a machine, with one program header that names an interpreter.
fn elf(machine: u16, interpreter: &str) -> Vec<u8> {
    let mut head = vec![0; 256];
    head[..6].copy_from_slice(b"\x7fELF\x02\x01");
    head[18..20].copy_from_slice(&machine.to_le_bytes());
    head[32..40].copy_from_slice(&64_u64.to_le_bytes());
    head[54..56].copy_from_slice(&56_u16.to_le_bytes());
    head[56..58].copy_from_slice(&1_u16.to_le_bytes());
    head[64..68].copy_from_slice(&PT_INTERP.to_le_bytes());
    head[72..80].copy_from_slice(&128_u64.to_le_bytes());
    head[128..128 + interpreter.len()].copy_from_slice(interpreter.as_bytes());
    head
}

#[test]
fn reasons() {
    let foreign = if own_machine() == "arm64" { 62 } else { 183 };
    let own = MACHINES.iter().find(|(_, n)| *n == own_machine()).unwrap().0;
    let foreign_name = MACHINES.iter().find(|(n, _)| *n == foreign).unwrap().1;
    for (errno, head, expected) in [
        (
            Errno::NOEXEC,
            elf(foreign, ""),
            format!("it is for {foreign_name}, this machine is {}", own_machine()),
        ),
        (
            Errno::NOEXEC,
            elf(own, ""),
            "it is damaged, or of a kind this kernel does not execute".to_owned(),
        ),
        (
            Errno::NOEXEC,
            b"echo hello".to_vec(),
            "it is neither a program nor a script that begins with #!".to_owned(),
        ),
        (Errno::NOEXEC, Vec::new(), "the file is empty".to_owned()),
        (
            Errno::NOENT,
            elf(own, "/lib/ld-musl.so"),
            "its loader /lib/ld-musl.so is missing".to_owned(),
        ),
        (
            Errno::NOENT,
            b"#! /bin/bash -e\n".to_vec(),
            "its interpreter /bin/bash is missing".to_owned(),
        ),
        (
            Errno::NOENT,
            b"#!/bin/sh\r\n".to_vec(),
            "its interpreter /bin/sh (the line ends in a carriage return) is missing".to_owned(),
        ),
    ] {
        assert_eq!(reason(errno, &head), Some(expected));
    }
}

#[test]
fn truncated_and_hostile_headers_are_no_trouble() {
    let whole = elf(62, "/lib/x");
    for length in 0..whole.len() {
        let _ = reason(Errno::NOENT, &whole[..length]);
        let _ = reason(Errno::NOEXEC, &whole[..length]);
    }
    let mut hostile = whole;
    hostile[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(elf_interpreter(&hostile), None);
}
