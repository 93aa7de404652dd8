//! Maps that are written as a value of the option `idmap` (crun(1), "idmap mount options"):
//! `uids=0-1000-10#10-2000-5;gids=0-1000-10`, each range the first id of the file system, the first outside, how many.
//! Behind an `@` the id outside is one inside the container's user namespace.

use crate::plan::Maps;
use tare_spec_oci::{IdMapping, Linux};

/// Reads both maps.
///
/// # Errors
/// A sentence about what is wrong.
pub(super) fn read(text: &str, linux: &Linux) -> Result<Maps, String> {
    let (mut uids, mut gids) = (Vec::new(), Vec::new());
    for part in text.split(';').filter(|part| !part.is_empty()) {
        let (maps, ranges, container) = match part.split_once('=') {
            Some(("uids", ranges)) => (&mut uids, ranges, &linux.uid_mappings),
            Some(("gids", ranges)) => (&mut gids, ranges, &linux.gid_mappings),
            _ => return Err(format!("{part:?} is neither uids= nor gids=")),
        };
        if !maps.is_empty() {
            return Err("idmap has the same ids twice".to_owned());
        }
        for range in ranges.split('#') {
            maps.push(self::range(range, container)?);
        }
    }
    if uids.is_empty() || gids.is_empty() {
        return Err("idmap needs both uids and gids in its value".to_owned());
    }
    Ok(Maps::Given { uids, gids })
}

fn range(text: &str, container: &[IdMapping]) -> Result<IdMapping, String> {
    let (is_inside, numbers) = match text.strip_prefix('@') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let number = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|_| digits)
    };
    let mut fields = numbers.split('-').map(number);
    let mut next = || fields.next().flatten();
    let (Some(container_id), Some(host_id), Some(size @ 1..), None) = (next(), next(), next(), fields.next())
    else {
        return Err(format!("the range {text:?} is not three numbers like 0-1000-10"));
    };
    if container_id.checked_add(size - 1).is_none() || host_id.checked_add(size - 1).is_none() {
        return Err(format!("the range {text:?} leads beyond the largest id"));
    }
    let host_id = if is_inside {
        outside(host_id, size, container).ok_or_else(|| {
            format!("the range {text:?} does not lie in one range of the container's user namespace")
        })?
    } else {
        host_id
    };
    Ok(IdMapping {
        container_id,
        host_id,
        size,
    })
}

/// What the ids from `first` of a user namespace are outside of it, where one of its ranges has them all.
fn outside(first: u32, size: u32, maps: &[IdMapping]) -> Option<u32> {
    maps.iter().find_map(|map| {
        let offset = first.checked_sub(map.container_id)?;
        let fits = offset.checked_add(size)? <= map.size;
        map.host_id.checked_add(offset).filter(|_| fits)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(container_id: u32, host_id: u32, size: u32) -> IdMapping {
        IdMapping {
            container_id,
            host_id,
            size,
        }
    }

    #[test]
    fn both_ways_of_writing() {
        let linux = Linux {
            uid_mappings: vec![map(0, 0, 1), map(1, 2, 1000)],
            gid_mappings: vec![map(0, 5000, 100)],
            ..Linux::default()
        };
        for (text, uids, gids) in [
            (
                "uids=0-1-10#10-11-10;gids=0-100-10",
                vec![map(0, 1, 10), map(10, 11, 10)],
                vec![map(0, 100, 10)],
            ),
            // The manual's own example.
            (
                "gids=@0-10-5;uids=@1-3-10",
                vec![map(1, 4, 10)],
                vec![map(0, 5010, 5)],
            ),
            (
                "uids=0-7-1#@1-1-1;gids=0-0-1;",
                vec![map(0, 7, 1), map(1, 2, 1)],
                vec![map(0, 0, 1)],
            ),
        ] {
            assert_eq!(read(text, &linux), Ok(Maps::Given { uids, gids }), "{text}");
        }
        for (text, part) in [
            ("", "both uids and gids"),
            ("uids=0-1-10", "both uids and gids"),
            ("uids=0-1-10;gids=", "not three numbers"),
            ("uids=0-1;gids=0-1-1", "not three numbers"),
            ("uids=0-1-1-1;gids=0-1-1", "not three numbers"),
            ("uids=0-1-0;gids=0-1-1", "not three numbers"),
            ("uids=0-+1-1;gids=0-1-1", "not three numbers"),
            ("uids=0-1--1;gids=0-1-1", "not three numbers"),
            ("uids=4294967295-1-2;gids=0-1-1", "beyond the largest id"),
            ("uids=@0-0-2;gids=0-1-1", "does not lie in one range"),
            ("uids=@0-5000-1;gids=0-1-1", "does not lie in one range"),
            ("pids=0-1-1", "neither uids= nor gids="),
            ("uids=0-1-1;uids=0-1-1;gids=0-1-1", "twice"),
        ] {
            let told = read(text, &linux).unwrap_err();
            assert!(told.contains(part), "{text}: {told}");
        }
    }
}
