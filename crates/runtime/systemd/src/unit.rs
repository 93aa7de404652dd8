//! Units by name: from `linux.cgroupsPath` to a slice, a unit and the path of its group.

use tare_cgroup::GroupPath;
use tare_error::{Error, Kind, Result};

/// The longest name of a unit (systemd's `UNIT_NAME_MAX` less its end).
const NAME_MAX: usize = 255;

/// A scope or a slice that stands for one container's group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    slice: String,
    name: String,
    /// Below the group of the manager: `system.slice/tare-web.scope`.
    below: String,
}

/// What a `cgroupsPath` that leaves parts out stands for.
#[derive(Clone, Copy, Debug)]
pub struct Defaults<'a> {
    /// The container's id: the name.
    pub id: &'a str,
    /// The prefix where there is no path at all: runc's is `runc`.
    pub prefix: &'a str,
    /// Whether a user's manager is asked: `user.slice` stands for an empty slice then, else `system.slice`.
    pub is_user: bool,
}

impl Unit {
    /// Reads `slice:prefix:name`: the unit `prefix-name.scope` in that slice, or the slice `name` where that ends in
    /// `.slice`. An empty path, or none, is `:PREFIX:ID` by the defaults; an empty slice is the default one.
    ///
    /// # Errors
    /// `Invalid` for another form, and for names that systemd does not take.
    pub fn parse(cgroups_path: &str, defaults: Defaults<'_>) -> Result<Unit> {
        let refuse = |why: &str| {
            Error::new(Kind::Invalid, "read cgroupsPath", format!("{cgroups_path:?}"))
                .because(why)
                .hint("under the systemd cgroup driver it is slice:prefix:name, as in system.slice:tare:web")
        };
        let (slice, prefix, name) = if cgroups_path.is_empty() {
            ("", defaults.prefix, defaults.id)
        } else {
            let mut parts = cgroups_path.split(':');
            match (parts.next(), parts.next(), parts.next(), parts.next()) {
                (Some(slice), Some(prefix), Some(name), None) => (slice, prefix, name),
                _ => return Err(refuse("it does not have three parts")),
            }
        };
        let slice = match (slice, defaults.is_user) {
            ("", true) => "user.slice",
            ("", false) => "system.slice",
            (slice, _) => slice,
        };
        if name.is_empty() {
            return Err(refuse("its name is empty"));
        }
        let mut path = expand(slice).map_err(refuse)?;
        let name = if name.ends_with(".slice") {
            // systemd puts a slice where its own name says, whatever wants it.
            path = expand(name).map_err(refuse)?;
            name.to_owned()
        } else {
            let name = format!("{prefix}-{name}.scope");
            path.push(name.clone());
            name
        };
        check(&name).map_err(refuse)?;
        if path.is_empty() {
            return Err(refuse("it names the root"));
        }
        Ok(Unit {
            slice: slice.to_owned(),
            name,
            below: path.join("/"),
        })
    }

    /// The slice it is put into, or that it wants if it is a slice itself.
    pub fn slice(&self) -> &str {
        &self.slice
    }

    /// The unit's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a slice, which holds units and no processes.
    pub fn is_slice(&self) -> bool {
        self.name.ends_with(".slice")
    }

    /// Its group, below the manager's own (`/` for most, `/user.slice/user-1000.slice/user@1000.service`).
    ///
    /// # Errors
    /// `Invalid` where that is no path of a group.
    pub fn group(&self, manager: &str) -> Result<GroupPath> {
        GroupPath::parse(&format!("{manager}/{}", self.below))
    }
}

/// `a-b.slice` lies in `a.slice`: the names from the top. `-.slice` is the top itself.
fn expand(slice: &str) -> Result<Vec<String>, &'static str> {
    check(slice)?;
    let stem = slice
        .strip_suffix(".slice")
        .ok_or("its slice does not end in .slice")?;
    if stem == "-" {
        return Ok(Vec::new());
    }
    if stem.split('-').any(str::is_empty) {
        return Err("its slice has an empty part between dashes");
    }
    let ends = stem.match_indices('-').map(|(at, _)| at).chain([stem.len()]);
    Ok(ends
        .filter_map(|end| stem.get(..end))
        .map(|above| format!("{above}.slice"))
        .collect())
}

/// The letters that systemd takes in a unit's name (`systemd.unit(5)`).
fn check(name: &str) -> Result<(), &'static str> {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    match name {
        _ if name.len() > NAME_MAX => Err("a unit's name has at most 255 letters"),
        _ if !name.chars().all(is_taken) => Err("a unit's name has only letters, digits and :-_.\\@ in it"),
        _ => Ok(()),
    }
}

/// Any name as a part of a unit's: a letter that systemd does not take there, or that it gives a meaning, is written
/// `\xNN` (`systemd.unit(5)`). A dash stays: it means something in the name of a slice alone.
pub fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        let letter = char::from(byte);
        match letter {
            _ if letter.is_ascii_alphanumeric() || ":-_.".contains(letter) => escaped.push(letter),
            _ => escaped.push_str(&format!("\\x{byte:02x}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str, is_user: bool) -> Result<Unit> {
        let (id, prefix) = ("web", "runc");
        Unit::parse(path, Defaults { id, prefix, is_user })
    }

    #[test]
    fn paths_as_runc_reads_them() {
        let user = "/user.slice/user-1000.slice/user@1000.service";
        for (path, is_user, slice, name, group) in [
            (
                "",
                false,
                "system.slice",
                "runc-web.scope",
                "/system.slice/runc-web.scope",
            ),
            (
                "",
                true,
                "user.slice",
                "runc-web.scope",
                "/user.slice/runc-web.scope",
            ),
            (
                ":tare:x",
                false,
                "system.slice",
                "tare-x.scope",
                "/system.slice/tare-x.scope",
            ),
            (
                "machine.slice:libpod:1f",
                false,
                "machine.slice",
                "libpod-1f.scope",
                "/machine.slice/libpod-1f.scope",
            ),
            (
                "kubepods-besteffort-pod1_2.slice:cri-containerd:ab",
                false,
                "kubepods-besteffort-pod1_2.slice",
                "cri-containerd-ab.scope",
                "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1_2.slice/cri-containerd-ab.scope",
            ),
            (
                "-.slice:tare:x",
                false,
                "-.slice",
                "tare-x.scope",
                "/tare-x.scope",
            ),
            ("a.slice::x", false, "a.slice", "-x.scope", "/a.slice/-x.scope"),
            (
                "a.slice:ignored:a-b.slice",
                false,
                "a.slice",
                "a-b.slice",
                "/a.slice/a-b.slice",
            ),
            (
                "system.slice::b.slice",
                false,
                "system.slice",
                "b.slice",
                "/b.slice",
            ),
        ] {
            let unit = parse(path, is_user).unwrap();
            assert_eq!((unit.slice(), unit.name()), (slice, name), "{path}");
            assert_eq!(unit.group("").unwrap().to_string(), group, "{path}");
            assert_eq!(unit.group(user).unwrap().to_string(), format!("{user}{group}"));
            assert_eq!(unit.is_slice(), name.ends_with(".slice"));
        }
    }

    #[test]
    fn what_systemd_would_not_take_is_refused() {
        let long = format!("a.slice:b:{}", "x".repeat(255));
        for bad in [
            "/tare/web",
            "a.slice:b",
            "a.slice:b:c:d",
            "a:b:c",
            ".slice:b:c",
            "a--b.slice:b:c",
            "-a.slice:b:c",
            "a-.slice:b:c",
            "a/b.slice:b:c",
            "a.slice:b:../x",
            "a.slice:b:x y",
            "a.slice:b:",
            "::-.slice",
            "a.slice:b:c+d",
            &long,
        ] {
            let e = parse(bad, false).unwrap_err();
            assert_eq!(e.kind(), Kind::Invalid, "{bad}");
            assert!(e.first_hint().is_some());
        }
    }

    #[test]
    fn any_name_becomes_a_part_of_a_units() {
        for (name, escaped) in [
            ("default.web-1_a:b", "default.web-1_a:b"),
            ("a b/c", "a\\x20b\\x2fc"),
            ("\\x20@", "\\x5cx20\\x40"),
            ("\u{e4}", "\\xc3\\xa4"),
        ] {
            assert_eq!(escape(name), escaped);
            assert!(check(&escape(name)).is_ok());
        }
    }
}
