//! How long processes of a group have stalled for want of something (PSI; Linux 4.20, version 2 alone).

use crate::group::Group;

/// What stalls are told of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pressure {
    /// Processor time.
    pub cpu: Option<Stall>,
    /// Memory.
    pub memory: Option<Stall>,
    /// Block devices.
    pub io: Option<Stall>,
}

/// How long some of its processes, or all at once, have stalled.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stall {
    /// Percent of the last ten seconds in which some did.
    pub some: f64,
    /// The same of all at once.
    pub full: f64,
    /// In microseconds since the group was made, of some.
    pub total: u64,
}

impl Group {
    /// What stalls its processes; nothing where the machine does not tell.
    pub fn pressure(&self) -> Pressure {
        let read = |file: &str| {
            let member = self.v2()?;
            parse(&member.dir.read(file).ok()?)
        };
        Pressure {
            cpu: read("cpu.pressure"),
            memory: read("memory.pressure"),
            io: read("io.pressure"),
        }
    }
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and the same for `full`.
fn parse(text: &str) -> Option<Stall> {
    let value = |line: &str, key: &str| {
        let found = text.lines().find(|l| l.split(' ').next() == Some(line))?;
        let field = found
            .split(' ')
            .find_map(|field| field.strip_prefix(key)?.strip_prefix('='))?;
        Some(field.to_owned())
    };
    Some(Stall {
        some: value("some", "avg10")?.parse().ok()?,
        // Of processors some kernels tell no such line.
        full: value("full", "avg10")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0.0),
        total: value("some", "total")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stalls_are_read() {
        let text = "some avg10=1.25 avg60=0.10 avg300=0.00 total=4711\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=7\n";
        let found = parse(text).unwrap();
        assert_eq!((found.some, found.full, found.total), (1.25, 0.5, 4711));
        assert_eq!(
            parse("some avg10=1.00 total=5\n").map(|stall| stall.full),
            Some(0.0)
        );
        assert_eq!(parse(""), None);
        assert_eq!(parse("some avg10=x total=5"), None);
    }
}
