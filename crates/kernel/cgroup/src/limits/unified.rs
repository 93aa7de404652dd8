//! Files of version 2 by their own names.

use super::{Absent, Draft, Setting};
use crate::host::{Controller, Version};
use std::collections::BTreeMap;
use tare_error::Kind;

const WHAT: &str = "cgroup v2 setting";
const HINT: &str = "give control files of limits, as in memory.high, with the value the kernel documents";

pub(super) fn plan(unified: &BTreeMap<String, String>, draft: &mut Draft<'_>) {
    for (file, value) in unified {
        let Some((prefix, _)) = file.split_once('.').filter(|_| is_file(file)) else {
            draft.refuse(Kind::Invalid, WHAT, format!("{file:?} is no control file"), HINT);
            continue;
        };
        let controller = match prefix {
            // Of the kernel's own files, those that are limits; the others move, kill or stop tasks.
            "cgroup" if matches!(file.as_str(), "cgroup.max.depth" | "cgroup.max.descendants") => None,
            "cgroup" => {
                draft.refuse(Kind::Invalid, WHAT, format!("{file} is not a limit"), HINT);
                continue;
            }
            name => match Controller::from_v2(name) {
                Some(controller) => Some(controller),
                None => {
                    let why = format!("no controller of cgroup v2 is called {name}");
                    draft.refuse(Kind::Invalid, WHAT, why, HINT);
                    continue;
                }
            },
        };
        let on_v2 = match controller {
            None => draft.home.has_unified(),
            Some(controller) => match draft.home(controller, WHAT) {
                None => continue,
                Some(version) => version == Version::V2,
            },
        };
        if !on_v2 {
            let why = format!(
                "invalid configuration: {file} belongs to cgroup v2, and this machine has that controller on v1"
            );
            draft.refuse(
                Kind::Unsupported,
                WHAT,
                why,
                "use the option of the limit itself, such as --memory",
            );
            continue;
        }
        draft.step([Setting {
            controller,
            what: WHAT,
            file: file.clone().into(),
            value: value.clone(),
            absent: Absent::Refuse(HINT),
            not_below: None,
        }]);
    }
}

fn is_file(name: &str) -> bool {
    name.len() <= 128
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}
