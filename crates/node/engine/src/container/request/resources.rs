//! Limits of a container.

use super::{invalid, parse_size};
use tare_error::Result;

/// Limits asked for; what is absent is not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourcesRequest {
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Memory and swap together.
    pub swap: Option<SwapLimit>,
    /// Memory in bytes that it is brought back to when the machine has little.
    pub reservation: Option<u64>,
    /// Processor time.
    pub cpus: Option<Cpus>,
    /// Microseconds of processor time in each period.
    pub quota: Option<i64>,
    /// Microseconds of such a period.
    pub period: Option<u64>,
    /// Relative weight, 2 to 262144; 1024 is an equal share.
    pub cpu_shares: Option<u64>,
    /// Which processors.
    pub cpuset: Option<CpuSet>,
    /// Which memory nodes.
    pub memory_nodes: Option<CpuSet>,
    /// Relative weight of block devices, 10 to 1000.
    pub block_weight: Option<u16>,
    /// Processes and threads.
    pub pids: Option<PidsLimit>,
}

impl ResourcesRequest {
    /// Least memory limit: below it no container starts (docker's number).
    pub const LEAST_MEMORY: u64 = 6 << 20;

    /// Whether anything is limited.
    pub fn is_empty(&self) -> bool {
        *self == ResourcesRequest::default()
    }

    /// Reads `-m`.
    ///
    /// # Errors
    /// `Invalid`, also below 6 MiB. Zero means no limit, as docker's.
    pub fn parse_memory(text: &str) -> Result<Option<u64>> {
        match parse_size(text)? {
            0 => Ok(None),
            bytes if bytes < ResourcesRequest::LEAST_MEMORY => Err(invalid(
                "memory limit",
                text,
                "that is too little for a container to start",
            )
            .hint("the least is 6m")),
            bytes => Ok(Some(bytes)),
        }
    }

    /// Reads `--cpu-quota`; zero and less mean none.
    ///
    /// # Errors
    /// `Invalid` below the kernel's least, a millisecond.
    pub fn parse_quota(text: &str) -> Result<Option<i64>> {
        match text.parse::<i64>() {
            Ok(0) => Ok(None),
            Ok(..0) => Ok(Some(-1)),
            Ok(quota @ 1000..) => Ok(Some(quota)),
            _ => Err(invalid(
                "processor time",
                text,
                "it is microseconds in each period, 1000 at least; -1 is no limit",
            )),
        }
    }

    /// Reads `--cpu-period`; zero means the kernel's.
    ///
    /// # Errors
    /// `Invalid` outside 1000 to 1000000.
    pub fn parse_period(text: &str) -> Result<Option<u64>> {
        match text.parse::<u64>() {
            Ok(0) => Ok(None),
            Ok(period @ 1000..=1_000_000) => Ok(Some(period)),
            _ => Err(invalid(
                "period of processor time",
                text,
                "it goes from 1000 to 1000000 microseconds",
            )),
        }
    }

    /// Reads `--blkio-weight`; zero means the kernel's.
    ///
    /// # Errors
    /// `Invalid` outside 10 to 1000.
    pub fn parse_block_weight(text: &str) -> Result<Option<u16>> {
        match text.parse::<u16>() {
            Ok(0) => Ok(None),
            Ok(weight @ 10..=1000) => Ok(Some(weight)),
            _ => Err(invalid(
                "weight of block devices",
                text,
                "it goes from 10 to 1000",
            )),
        }
    }

    /// Reads `--cpu-shares`; zero means the default.
    ///
    /// # Errors
    /// `Invalid` outside 2 to 262144.
    pub fn parse_shares(text: &str) -> Result<Option<u64>> {
        match text.parse::<u64>() {
            Ok(0) => Ok(None),
            Ok(shares @ 2..=262_144) => Ok(Some(shares)),
            _ => Err(invalid(
                "cpu shares",
                text,
                "they go from 2 to 262144; 1024 is an equal share",
            )),
        }
    }
}

/// Memory and swap together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwapLimit {
    /// As much as there is.
    Unlimited,
    /// Bytes; at least the memory limit.
    Total(u64),
}

impl SwapLimit {
    /// Reads `--memory-swap`: a size, or `-1`.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn parse(text: &str) -> Result<Option<SwapLimit>> {
        match text.trim() {
            "-1" => Ok(Some(SwapLimit::Unlimited)),
            _ => {
                match parse_size(text).map_err(|e| e.hint("write a size such as 128m, or -1 for no limit"))? {
                    0 => Ok(None),
                    bytes => Ok(Some(SwapLimit::Total(bytes))),
                }
            }
        }
    }
}

/// Processor time in thousandths of one processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpus(pub u64);

impl Cpus {
    /// Reads `1.5`, `.25`, `2`; at least 0.01. Zero means no limit, as docker's.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn parse(text: &str) -> Result<Option<Cpus>> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        let bad = || {
            invalid("number of processors", text, "that is not a number")
                .hint("write --cpus 1.5, for example")
        };
        if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
            return Err(bad());
        }
        let mut thousandths = format!("{fraction:0<3}");
        thousandths.truncate(3);
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().map_err(|_| bad())?
        };
        let rest: u64 = thousandths.parse().map_err(|_| bad())?;
        match whole.checked_mul(1000).and_then(|w| w.checked_add(rest)) {
            Some(0) => Ok(None),
            Some(n) if n < 10 => Err(invalid("number of processors", text, "the least is 0.01")),
            Some(n) if n <= 1_000_000_000 => Ok(Some(Cpus(n))),
            _ => Err(bad()),
        }
    }
}

/// Processors in list form, `0-3,7` (cpuset(7)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuSet(String);

impl CpuSet {
    /// Reads a list; the machine is asked later.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn parse(text: &str) -> Result<CpuSet> {
        let number = |s: &str| s.parse::<u32>().ok().filter(|n| *n < 8192);
        let range = |part: &str| match part.split_once('-') {
            None => number(part).is_some(),
            Some((first, last)) => matches!((number(first), number(last)), (Some(a), Some(b)) if a <= b),
        };
        if text.split(',').all(range) {
            return Ok(CpuSet(text.to_owned()));
        }
        Err(invalid("list of processors", text, "that is not a list").hint("write 0-3 or 0,2, for example"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The highest processor named.
    pub fn highest(&self) -> u32 {
        self.0
            .split([',', '-'])
            .filter_map(|n| n.parse().ok())
            .max()
            .unwrap_or(0)
    }
}

/// How many processes and threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PidsLimit {
    /// No limit.
    Unlimited,
    /// At most so many.
    Max(u32),
}

impl PidsLimit {
    /// Reads a number; 0 and -1 mean no limit, as docker's.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn parse(text: &str) -> Result<PidsLimit> {
        match text.parse::<i64>() {
            Ok(-1 | 0) => Ok(PidsLimit::Unlimited),
            Ok(n) if n > 0 => match u32::try_from(n) {
                Ok(n) if n <= 4_194_304 => Ok(PidsLimit::Max(n)),
                _ => Err(invalid(
                    "limit of processes",
                    text,
                    "the kernel has at most 4194304 of them",
                )),
            },
            _ => Err(invalid(
                "limit of processes",
                text,
                "write a number, or -1 for no limit",
            )),
        }
    }
}
