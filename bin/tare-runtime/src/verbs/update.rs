//! `update`: changes limits of a container that is there.

use crate::reading::Arguments;
use std::process::ExitCode;
use tare_error::{Context, Error, Kind, Result};
use tare_spec_oci::{BlockIo, Cpu, Memory, Pids, Resources};

/// The largest document that is read.
const LARGEST: u64 = 1 << 20;

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    arguments.at_most(1)?;
    let container = arguments.home().container(&arguments.id()?)?;
    let resources = match arguments.value("resources") {
        Some("-") => read(std::io::stdin(), "standard input")?,
        Some(path) => read(std::fs::File::open(path).op("open", path)?, path)?,
        None => given(arguments)?,
    };
    container.update(&resources)?;
    let (cache, bandwidth) = (
        arguments.value("l3-cache-schema"),
        arguments.value("mem-bw-schema"),
    );
    if cache.or(bandwidth).is_some() {
        container.update_class(cache, bandwidth)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read(from: impl std::io::Read, name: &str) -> Result<Resources> {
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut from.take(LARGEST), &mut text).op("read", name)?;
    serde_json::from_slice(&text).map_err(|e| Error::new(Kind::Invalid, "read", name).from_source(e))
}

/// Resources by the single options.
fn given(arguments: &Arguments) -> Result<Resources> {
    let memory = Memory {
        limit: size(arguments, "memory")?,
        reservation: size(arguments, "memory-reservation")?,
        swap: size(arguments, "memory-swap")?,
        ..Memory::default()
    };
    let text = |name| arguments.value(name).map(str::to_owned);
    let cpu = Cpu {
        shares: number(arguments, "cpu-share")?,
        quota: number(arguments, "cpu-quota")?,
        burst: number(arguments, "cpu-burst")?,
        period: number(arguments, "cpu-period")?,
        realtime_runtime: number(arguments, "cpu-rt-runtime")?,
        realtime_period: number(arguments, "cpu-rt-period")?,
        cpus: text("cpuset-cpus"),
        mems: text("cpuset-mems"),
        idle: number(arguments, "cpu-idle")?,
    };
    let pids = number(arguments, "pids-limit")?.map(|limit| Pids { limit: Some(limit) });
    let block_io = number(arguments, "blkio-weight")?.map(|weight| BlockIo {
        weight: Some(weight),
        ..BlockIo::default()
    });
    Ok(Resources {
        memory: (memory != Memory::default()).then_some(memory),
        cpu: (cpu != Cpu::default()).then_some(cpu),
        pids,
        block_io,
        ..Resources::default()
    })
}

fn number<T: std::str::FromStr>(arguments: &Arguments, name: &str) -> Result<Option<T>> {
    let Some(text) = arguments.value(name) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| {
        Error::new(Kind::Invalid, "read option", format!("--{name}"))
            .because(format!("{text:?} is no number it can have"))
    })
}

/// Bytes, with `k`, `m`, `g` or `t` for powers of 1024; -1 is none.
fn size(arguments: &Arguments, name: &str) -> Result<Option<i64>> {
    let Some(text) = arguments.value(name) else {
        return Ok(None);
    };
    let lower = text.to_ascii_lowercase();
    let bare = lower.trim_end_matches('b').trim_end_matches('i');
    let (digits, shift) = match bare.char_indices().next_back() {
        Some((at, unit)) if unit.is_ascii_alphabetic() => (
            bare.get(..at).unwrap_or_default(),
            "kmgt".find(unit).map(|place| 10 * (place + 1)),
        ),
        _ => (bare, Some(0)),
    };
    let bytes = digits
        .parse::<i64>()
        .ok()
        .zip(shift)
        .and_then(|(n, shift)| n.checked_mul(1 << shift));
    bytes.map(Some).ok_or_else(|| {
        Error::new(Kind::Invalid, "read option", format!("--{name}"))
            .because(format!("{text:?} is no size"))
            .hint("a size is a number with k, m, g or t behind it; -1 is none")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("64m", Some(64 << 20)),
            ("64M", Some(64 << 20)),
            ("1GiB", Some(1 << 30)),
            ("1024", Some(1024)),
            ("2kb", Some(2048)),
            ("-1", Some(-1)),
            ("64x", None),
            ("m", None),
            ("9000000000g", None),
        ] {
            let words = ["update", "--memory", text, "c"].map(std::ffi::OsString::from);
            let read = Arguments::read(words.to_vec()).unwrap();
            assert_eq!(size(&read, "memory").ok().flatten(), expected, "{text}");
        }
    }
}
