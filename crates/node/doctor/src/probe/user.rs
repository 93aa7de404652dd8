//! What an ordinary user needs: a range of subordinate ids, and the helpers that map it.

use crate::check::Finding;
use crate::place::Place;
use rustix::fs::Mode;

/// Fewer ids than this, and images with high ids cannot be unpacked as they are.
const ENOUGH: u64 = 65_536;

pub(crate) fn subordinate_ids(place: &Place) -> Finding {
    if place.is_root {
        return Finding::yes("root needs none");
    }
    let user = rustix::process::getuid().as_raw();
    let name = name_of(user);
    let count = |file: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let own = |line: &str| {
            let mut fields = line.split(':');
            let owner = fields.next()?;
            let size = fields.nth(1)?.trim().parse::<u64>().ok()?;
            (owner == user.to_string() || Some(owner) == name.as_deref()).then_some(size)
        };
        text.lines().filter_map(own).sum::<u64>()
    };
    let (users, groups) = (count("/etc/subuid"), count("/etc/subgid"));
    let detail = format!("{users} user ids, {groups} group ids");
    let who = name.unwrap_or_else(|| user.to_string());
    let mend = format!("usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {who}");
    match users.min(groups) {
        0 => Finding::no(detail).mended_by(mend),
        1..ENOUGH => Finding::partly(detail).mended_by(mend),
        _ => Finding::yes(detail),
    }
}

fn name_of(user: u32) -> Option<String> {
    let text = std::fs::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == user.to_string()).then(|| name.to_owned())
    })
}

pub(crate) fn map_helpers(place: &Place) -> Finding {
    let mut weak = Vec::new();
    for name in ["newuidmap", "newgidmap"] {
        let Some(path) = place.program(name) else {
            return Finding::no(format!("no {name} in the search path"));
        };
        let mode = rustix::fs::stat(&path).map(|facts| Mode::from_raw_mode(facts.st_mode));
        let is_setuid = mode.is_ok_and(|mode| mode.contains(Mode::SUID));
        let has_capability = rustix::fs::getxattr(&path, "security.capability", &mut [0_u8; 64]).is_ok();
        if !is_setuid && !has_capability {
            weak.push(path.display().to_string());
        }
    }
    match weak.as_slice() {
        [] => Finding::yes("newuidmap and newgidmap"),
        weak => Finding::no(format!(
            "neither setuid nor with a capability: {}",
            weak.join(" ")
        ))
        .mended_by(format!("chmod u+s {}", weak.join(" "))),
    }
}
