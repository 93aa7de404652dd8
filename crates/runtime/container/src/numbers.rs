//! Numbers in list form (`0-3,7`), and the processors of an exec'd process that are given so.

use rustix::process::Pid;
use rustix::thread::CpuSet;
use std::fmt;
use tare_error::{Context, Error, Kind, Result};
use tare_spec_oci::ExecCpuAffinity;

/// Reads a list such as `0-3,7`; spaces and empty elements are passed over, as runc does. `field` names it in errors;
/// every number is below `limit`.
pub(crate) fn parse(field: &str, list: &str, limit: usize) -> Result<Vec<usize>> {
    let bad = |part: &str, why: &str| {
        Error::new(Kind::Invalid, "use", format!("{field} {list:?}")).because(format!("{part:?} {why}"))
    };
    let number = |part: &str, text: &str| {
        let number: usize = text
            .trim()
            .parse()
            .map_err(|_| bad(part, "is neither a number nor a range"))?;
        if number < limit {
            Ok(number)
        } else {
            Err(bad(part, &format!("is above {}", limit - 1)))
        }
    };
    let mut numbers = Vec::new();
    for part in list.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        match part.split_once('-') {
            None => numbers.push(number(part, part)?),
            Some((first, last)) => {
                let (first, last) = (number(part, first)?, number(part, last)?);
                if first > last {
                    return Err(bad(part, "ends before it begins"));
                }
                numbers.extend(first..=last);
            }
        }
    }
    Ok(numbers)
}

/// Processors by number, as `sched_setaffinity(2)` takes them.
#[derive(Clone)]
pub struct Processors {
    set: CpuSet,
}

impl Processors {
    fn read(field: &str, list: Option<&str>) -> Result<Option<Processors>> {
        let Some(list) = list.filter(|l| !l.is_empty()) else {
            return Ok(None);
        };
        let mut set = CpuSet::new();
        for number in parse(field, list, CpuSet::MAX_CPU)? {
            set.set(number);
        }
        if set.count() == 0 {
            return Err(Error::new(Kind::Invalid, "use", format!("{field} {list:?}"))
                .because("it names no processor"));
        }
        Ok(Some(Processors { set }))
    }

    /// Confines a process (none: the calling thread) to these processors; threads and children made later inherit it.
    ///
    /// # Errors
    /// `EINVAL` where none of them is online and allowed by its cpuset, `ESRCH`, `EPERM` without `CAP_SYS_NICE`.
    pub fn confine(&self, process: Option<Pid>) -> Result<()> {
        rustix::thread::sched_setaffinity(process, &self.set).op("set processors of", "the process")
    }

    /// Their numbers.
    pub fn numbers(&self) -> impl Iterator<Item = usize> + '_ {
        (0..CpuSet::MAX_CPU).filter(|n| self.set.is_set(*n))
    }
}

impl fmt::Debug for Processors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.numbers()).finish()
    }
}

/// On which processors an exec'd process runs (`process.execCPUAffinity`).
#[derive(Clone, Debug, Default)]
pub struct ExecAffinity {
    /// Before it enters the container's cgroup: whoever makes it confines itself while it does.
    pub initial: Option<Processors>,
    /// Once it is in the container's cgroup.
    pub last: Option<Processors>,
}

impl ExecAffinity {
    /// Reads both lists.
    ///
    /// # Errors
    /// `Invalid` with the field and its value.
    pub fn read(from: Option<&ExecCpuAffinity>) -> Result<ExecAffinity> {
        let Some(from) = from else {
            return Ok(ExecAffinity::default());
        };
        Ok(ExecAffinity {
            initial: Processors::read("process.execCPUAffinity.initial", from.initial.as_deref())?,
            last: Processors::read("process.execCPUAffinity.final", from.last.as_deref())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_numbers() {
        for (list, expected) in [
            ("0", &[0][..]),
            ("0-2,7", &[0, 1, 2, 7]),
            (" 1 , , 3-3 ", &[1, 3]),
            ("", &[]),
        ] {
            assert_eq!(parse("f", list, 8).unwrap(), expected, "{list:?}");
        }
    }

    #[test]
    fn bad_lists_are_told_with_field_and_value() {
        for (list, why) in [
            ("x", "\"x\" is neither a number nor a range"),
            ("0,2-1", "\"2-1\" ends before it begins"),
            ("0-8", "\"0-8\" is above 7"),
            ("-1", "\"-1\" is neither a number nor a range"),
        ] {
            let error = parse("a.b", list, 8).unwrap_err();
            assert_eq!(error.to_string(), format!("use a.b {list:?}: {why}"));
        }
    }

    #[test]
    fn affinity_of_an_exec() {
        let read = |initial: &str, last: Option<&str>| {
            ExecAffinity::read(Some(&ExecCpuAffinity {
                initial: Some(initial.to_owned()),
                last: last.map(str::to_owned),
            }))
        };
        let both = read("0-1", Some("1")).unwrap();
        assert_eq!(
            format!("{both:?}"),
            "ExecAffinity { initial: Some({0, 1}), last: Some({1}) }"
        );
        assert!(read("", None).unwrap().initial.is_none());
        let error = read("0", Some(",")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "use process.execCPUAffinity.final \",\": it names no processor"
        );
        both.last.unwrap().confine(None).unwrap_or(());
    }
}
