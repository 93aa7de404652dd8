//! As whom the process runs: names are looked up in the image's own files, numbers are taken as they are.

use super::{Draft, Input};
use crate::container::request::{IdOrName, UserRequest};
use tare_error::{Error, Kind, Result};

/// A line of `/etc/passwd` (passwd(5)).
struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

/// A line of `/etc/group` (group(5)).
struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

pub(super) fn contribute(input: &Input<'_>, draft: &mut Draft) -> Result<()> {
    let of_image = input.image.user.as_deref().filter(|u| !u.is_empty());
    let asked = match (&input.request.process.user, of_image) {
        (Some(asked), _) => asked.clone(),
        (None, Some(text)) => UserRequest::parse(text)?,
        (None, None) => UserRequest {
            user: IdOrName::Id(0),
            group: None,
        },
    };
    let (passwd, group) = (&input.found.passwd, &input.found.group);
    let account = match &asked.user {
        IdOrName::Id(id) => accounts(passwd).find(|a| a.uid == *id),
        IdOrName::Name(name) => Some(
            accounts(passwd)
                .find(|a| a.name == name)
                .ok_or_else(|| unknown("user", name))?,
        ),
    };
    let uid = match &asked.user {
        IdOrName::Id(id) => *id,
        IdOrName::Name(_) => account.as_ref().map_or(0, |a| a.uid),
    };
    let gid = match &asked.group {
        Some(wanted) => group_id(group, wanted)?,
        None => account.as_ref().map_or(0, |a| a.gid),
    };
    // Supplementary groups are always written, the first group among them: without it a process could give it up and
    // reach files that deny it (CVE-2022-36109).
    let mut further = vec![gid];
    if let (None, Some(account)) = (&asked.group, &account) {
        let member = |g: &Group<'_>| g.members.split(',').any(|m| m == account.name);
        further.extend(groups(group).filter(member).map(|g| g.gid));
    }
    for wanted in &input.request.process.groups {
        further.push(group_id(group, wanted)?);
    }
    further.sort_unstable();
    further.dedup();
    for id in further.iter().chain([&uid]) {
        if u64::from(*id) >= input.host.ids {
            return Err(Error::new(Kind::Unsupported, "run as", id)
                .because(format!(
                    "this user namespace has only the ids 0 to {}",
                    input.host.ids - 1
                ))
                .hint("/etc/subuid and /etc/subgid give a user more of them"));
        }
    }
    draft.process.user.uid = uid;
    draft.process.user.gid = gid;
    draft.process.user.additional_gids = further;
    Ok(())
}

/// The home folder of `uid`, or `/`.
pub(super) fn home(passwd: &[u8], uid: u32) -> String {
    accounts(passwd)
        .find(|a| a.uid == uid)
        .map(|a| a.home)
        .filter(|home| home.starts_with('/'))
        .unwrap_or("/")
        .to_owned()
}

fn group_id(group: &[u8], wanted: &IdOrName) -> Result<u32> {
    match wanted {
        IdOrName::Id(id) => Ok(*id),
        IdOrName::Name(name) => {
            let found = groups(group).find(|g| g.name == name);
            found.map(|g| g.gid).ok_or_else(|| unknown("group", name))
        }
    }
}

fn unknown(what: &'static str, name: &str) -> Error {
    let file = if what == "user" {
        "/etc/passwd"
    } else {
        "/etc/group"
    };
    Error::new(Kind::NotFound, format!("find {what}"), name)
        .because(format!("the image's {file} has no such {what}"))
        .hint(format!(
            "a number needs no entry there: -u 1000, for example; see `tare run IMAGE cat {file}`"
        ))
}

/// The accounts of the file; lines that are not of the form are not there, so that nothing is made up from them.
fn accounts(passwd: &[u8]) -> impl Iterator<Item = Account<'_>> {
    lines(passwd).filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|n| !n.is_empty())?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        let home = fields.nth(1).unwrap_or("");
        Some(Account { name, uid, gid, home })
    })
}

fn groups(group: &[u8]) -> impl Iterator<Item = Group<'_>> {
    lines(group).filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|n| !n.is_empty())?;
        let gid = fields.nth(1)?.parse().ok()?;
        Some(Group {
            name,
            gid,
            members: fields.next().unwrap_or(""),
        })
    })
}

/// Lines that are text; a home folder or name in another encoding is nobody's.
fn lines(file: &[u8]) -> impl Iterator<Item = &str> {
    file.split(|b| *b == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok())
}
