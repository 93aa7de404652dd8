//! As whom the process runs: names are looked up in the image's own files, numbers are taken as they are.

use super::{Draft, Input};
use crate::container::request::{IdOrName, UserRequest};
use tare_error::{Error, Kind, Result};
use tare_spec_oci::User;

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
    let files = Accounts {
        passwd: &input.found.passwd,
        group: &input.found.group,
        ids: input.host.ids,
    };
    let user = files.find(&asked, &input.request.process.groups)?;
    draft.process.user = User {
        umask: draft.process.user.umask,
        ..user
    };
    Ok(())
}

/// Where names are looked up, and how many ids there are.
#[derive(Clone, Copy, Debug)]
pub(in crate::container) struct Accounts<'a> {
    pub(in crate::container) passwd: &'a [u8],
    pub(in crate::container) group: &'a [u8],
    pub(in crate::container) ids: u64,
}

impl Accounts<'_> {
    /// Who that is, with `further` groups.
    pub(in crate::container) fn find(&self, asked: &UserRequest, further: &[IdOrName]) -> Result<User> {
        let account = match &asked.user {
            IdOrName::Id(id) => accounts(self.passwd).find(|a| a.uid == *id),
            IdOrName::Name(name) => Some(
                accounts(self.passwd)
                    .find(|a| a.name == name)
                    .ok_or_else(|| unknown("user", name))?,
            ),
        };
        let uid = match &asked.user {
            IdOrName::Id(id) => *id,
            IdOrName::Name(_) => account.as_ref().map_or(0, |a| a.uid),
        };
        let gid = match &asked.group {
            Some(wanted) => group_id(self.group, wanted)?,
            None => account.as_ref().map_or(0, |a| a.gid),
        };
        // Supplementary groups are always written, the first group among them: without it a process could give it up and
        // reach files that deny it (CVE-2022-36109).
        let mut all = vec![gid];
        if let (None, Some(account)) = (&asked.group, &account) {
            let member = |g: &Group<'_>| g.members.split(',').any(|m| m == account.name);
            all.extend(groups(self.group).filter(member).map(|g| g.gid));
        }
        for wanted in further {
            all.push(group_id(self.group, wanted)?);
        }
        all.sort_unstable();
        all.dedup();
        for id in all.iter().chain([&uid]) {
            if u64::from(*id) >= self.ids {
                return Err(Error::new(Kind::Unsupported, "run as", id)
                    .because(format!(
                        "this user namespace has only the ids 0 to {}",
                        self.ids - 1
                    ))
                    .hint("/etc/subuid and /etc/subgid give a user more of them"));
            }
        }
        Ok(User {
            uid,
            gid,
            additional_gids: all,
            ..User::default()
        })
    }
}

/// The home folder of `uid`, or `/`.
pub(in crate::container) fn home(passwd: &[u8], uid: u32) -> String {
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
