//! The process itself: limits, user, capabilities, filter, program.

use crate::plan::{Draft, c_path, c_string, target};
use crate::step::{Action, Place, Signal};
use rustix::process::Resource;
use rustix::thread::{Gid, Uid};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::path::Path;
use tare_error::{Error, Kind, Result};
use tare_process::{CapabilitySet, parse_capabilities};
use tare_spec_oci::{Capabilities, NamespaceKind, Process, Rlimit};
use tare_sys::{CStrings, FilterFlags};

/// Where a command is looked for when its environment does not say (docker's).
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Limits by their name (getrlimit(2)).
const LIMITS: &[(&str, Resource)] = &[
    ("RLIMIT_CPU", Resource::Cpu),
    ("RLIMIT_FSIZE", Resource::Fsize),
    ("RLIMIT_DATA", Resource::Data),
    ("RLIMIT_STACK", Resource::Stack),
    ("RLIMIT_CORE", Resource::Core),
    ("RLIMIT_RSS", Resource::Rss),
    ("RLIMIT_NPROC", Resource::Nproc),
    ("RLIMIT_NOFILE", Resource::Nofile),
    ("RLIMIT_MEMLOCK", Resource::Memlock),
    ("RLIMIT_AS", Resource::As),
    ("RLIMIT_LOCKS", Resource::Locks),
    ("RLIMIT_SIGPENDING", Resource::Sigpending),
    ("RLIMIT_MSGQUEUE", Resource::Msgqueue),
    ("RLIMIT_NICE", Resource::Nice),
    ("RLIMIT_RTPRIO", Resource::Rtprio),
    ("RLIMIT_RTTIME", Resource::Rttime),
];

/// Adds what the process needs.
pub(crate) fn contribute(draft: &mut Draft<'_>) -> Result<()> {
    own_files(draft);
    for limit in &draft.process.rlimits {
        draft_limit(draft, limit)?;
    }
    identity(draft);
    directory(draft)?;
    privileges(draft)?;
    draft.push(Place::Gate, "await", "the start", Action::Await(Signal::Start));
    command(draft)
}

fn own_files(draft: &mut Draft<'_>) {
    // In a user namespace the file is not the child's to write; the parent does it.
    let score = draft
        .process
        .oom_score_adj
        .filter(|_| !draft.has_namespace(NamespaceKind::User));
    if let Some(score) = score {
        let action = Action::WriteOwn {
            file: c"oom_score_adj",
            data: score.to_string().into_bytes(),
            only_if_changed: true,
        };
        draft.push(Place::OwnFiles, "set oom_score_adj to", score, action);
    }
    let profile = draft
        .process
        .apparmor_profile
        .as_deref()
        .filter(|p| !p.is_empty() && draft.facts.apparmor);
    if let Some(profile) = profile {
        let data = format!("exec {profile}").into_bytes();
        let action = Action::WriteOwn {
            file: c"attr/apparmor/exec",
            data,
            only_if_changed: false,
        };
        draft.push(Place::OwnFiles, "set AppArmor profile", profile, action);
    }
    if let Some(label) = draft
        .process
        .selinux_label
        .as_deref()
        .filter(|l| !l.is_empty() && draft.facts.selinux)
    {
        let action = Action::WriteOwn {
            file: c"attr/exec",
            data: label.into(),
            only_if_changed: false,
        };
        draft.push(Place::OwnFiles, "set SELinux label", label, action);
    }
}

fn draft_limit(draft: &mut Draft<'_>, limit: &Rlimit) -> Result<()> {
    let invalid = |reason: &str| Error::new(Kind::Invalid, "set limit", &limit.kind).because(reason);
    let (_, resource) = LIMITS
        .iter()
        .find(|(name, _)| *name == limit.kind)
        .ok_or_else(|| invalid("no limit has this name"))?;
    if limit.soft > limit.hard {
        return Err(invalid("its soft value is above its hard one"));
    }
    let bounded = |value: u64| (value != u64::MAX).then_some(value);
    if let Some(outside) = &mut draft.plan.outside {
        outside.limits.push((*resource, bounded(limit.hard)));
    }
    let action = Action::Limit {
        resource: *resource,
        soft: bounded(limit.soft),
        hard: bounded(limit.hard),
    };
    draft.push(Place::Limits, "set limit", &limit.kind, action);
    Ok(())
}

fn identity(draft: &mut Draft<'_>) {
    let user = &draft.process.user;
    let owner = Uid::from_raw(user.uid);
    draft.push(
        Place::Stdio,
        "set up",
        "standard input and output",
        Action::Stdio { owner },
    );
    let action = Action::User {
        uid: owner,
        gid: Gid::from_raw(user.gid),
        groups: (!draft.request.options.keeps_groups)
            .then(|| user.additional_gids.iter().map(|g| Gid::from_raw(*g)).collect()),
        // Where only one id is mapped the kernel forbids to set groups at all.
        groups_may_stay: draft.facts.user_namespace && user.additional_gids.is_empty(),
        umask: user.umask.unwrap_or(0o022),
    };
    draft.push(
        Place::User,
        "become user",
        format!("{}:{}", user.uid, user.gid),
        action,
    );
}

fn directory(draft: &mut Draft<'_>) -> Result<()> {
    let cwd = &draft.process.cwd;
    if !cwd.is_absolute() {
        return Err(
            Error::new(Kind::Invalid, "enter working directory", cwd.display()).because("it is not absolute"),
        );
    }
    if cwd != Path::new("/") && !draft.request.options.enters {
        // Made where it is missing, as runc does; `..` in it is resolved inside the root by the kernel.
        if let Ok(target) = target(cwd) {
            draft.push(
                Place::MakeDirectory,
                "make working directory",
                cwd.display(),
                Action::MakeDirectory(target),
            );
        }
    }
    for (place, as_user) in [(Place::Directory, false), (Place::DirectoryAsUser, true)] {
        let action = Action::Directory {
            path: c_path(cwd)?,
            as_user,
        };
        draft.push(place, "enter working directory", cwd.display(), action);
    }
    Ok(())
}

fn privileges(draft: &mut Draft<'_>) -> Result<()> {
    if draft.process.no_new_privileges {
        draft.push(
            Place::NoNewPrivileges,
            "set",
            "no_new_privs",
            Action::NoNewPrivileges,
        );
    }
    let filtered = draft.request.seccomp.is_some();
    let (filter_place, after_filter) = filter_places(draft)?;
    if let Some(capabilities) = &draft.process.capabilities {
        let sets = Sets::read(capabilities);
        draft.push(
            Place::Bounding,
            "limit",
            "the bounding set",
            Action::Bounding(sets.bounding),
        );
        // Loading a filter without no_new_privs needs CAP_SYS_ADMIN until it is loaded.
        let keep = if filtered && !draft.process.no_new_privileges {
            draft.push(
                after_filter,
                "set",
                "capabilities",
                sets.action(CapabilitySet::empty()),
            );
            CapabilitySet::SYS_ADMIN
        } else {
            CapabilitySet::empty()
        };
        draft.push(Place::Capabilities, "set", "capabilities", sets.action(keep));
    }
    if let Some(filter) = &draft.request.seccomp {
        let action = Action::Filter {
            program: filter.program.to_vec(),
            flags: filter.flags,
        };
        draft.push(filter_place, "load", "the seccomp filter", action);
    } else if draft.linux.seccomp.is_some() {
        return Err(Error::new(Kind::Internal, "plan", draft.request.id)
            .because("the configuration has a seccomp policy, but the caller gave no compiled filter"));
    }
    Ok(())
}

/// Where the filter is loaded, and what follows it: as late as can be, but with a listener before the start.
fn filter_places(draft: &Draft<'_>) -> Result<(Place, Place)> {
    let listened = draft
        .request
        .seccomp
        .is_some_and(|f| f.flags.contains(FilterFlags::NEW_LISTENER));
    if let Some(policy) = &draft.linux.seccomp {
        let invalid = |member: &str, why: &str| {
            Err(Error::new(Kind::Invalid, "use", format!("linux.seccomp.{member}")).because(why))
        };
        let path = policy
            .listener_path
            .as_ref()
            .filter(|p| !p.as_os_str().is_empty());
        match (path, &policy.listener_metadata) {
            (None, Some(text)) if !text.is_empty() => {
                return invalid("listenerMetadata", "it needs linux.seccomp.listenerPath");
            }
            (None, _) if listened => {
                return invalid("listenerPath", "it is missing, and a rule uses SCMP_ACT_NOTIFY");
            }
            (Some(path), _) if !path.is_absolute() => {
                return invalid("listenerPath", "it must be an absolute path");
            }
            _ => {}
        }
    }
    Ok(if listened {
        (Place::ListenedFilter, Place::CapabilitiesAfterListenedFilter)
    } else {
        (Place::Filter, Place::CapabilitiesAfterFilter)
    })
}

/// The five sets as bits.
struct Sets {
    bounding: CapabilitySet,
    effective: CapabilitySet,
    permitted: CapabilitySet,
    inheritable: CapabilitySet,
    ambient: CapabilitySet,
}

impl Sets {
    /// Unknown names are left out, as the specification asks; a supervisor that wants to warn reads them itself.
    fn read(names: &Capabilities) -> Sets {
        let set = |names: &[String]| parse_capabilities(names).0;
        Sets {
            bounding: set(&names.bounding),
            effective: set(&names.effective),
            permitted: set(&names.permitted),
            inheritable: set(&names.inheritable),
            ambient: set(&names.ambient),
        }
    }

    fn action(&self, besides: CapabilitySet) -> Action {
        Action::Capabilities {
            effective: self.effective | besides,
            permitted: self.permitted | besides,
            inheritable: self.inheritable,
            ambient: self.ambient,
        }
    }
}

/// What of a process's rights is asked for and not given, one sentence each: the specification wants a warning where others
/// want an error. The sentences begin with runc's words.
pub fn doubts(process: &Process) -> Vec<String> {
    let Some(asked) = &process.capabilities else {
        return Vec::new();
    };
    let lists = [
        &asked.bounding,
        &asked.effective,
        &asked.permitted,
        &asked.inheritable,
        &asked.ambient,
    ];
    let unknown: BTreeSet<&str> = lists.iter().flat_map(|list| parse_capabilities(list).1).collect();
    let unknown =
        (!unknown.is_empty()).then(|| format!("ignoring unknown or unavailable capabilities: {unknown:?}"));
    let sets = Sets::read(asked);
    let lost = sets.ambient - (sets.permitted & sets.inheritable);
    let lost = lost.iter_names().map(|(name, _)| {
        format!("can't raise ambient capability CAP_{name}: it is not permitted, or not inheritable")
    });
    unknown.into_iter().chain(lost).collect()
}

/// The program: every place where it may be, in order.
fn command(draft: &mut Draft<'_>) -> Result<()> {
    if draft.request.spec.process.is_none() {
        draft.push(Place::Exec, "execute", "the program", Action::NoProgram);
        return Ok(());
    }
    let name = draft
        .process
        .args
        .first()
        .filter(|a| !a.is_empty())
        .ok_or_else(|| {
            Error::new(Kind::Invalid, "start", draft.request.id)
                .because("no command")
                .hint("name a command to run")
        })?;
    let strings = |list: &[String], what: &str| -> Result<CStrings> {
        let list: Result<Vec<CString>> = list.iter().map(|s| c_string(s.as_str(), what)).collect();
        Ok(CStrings::new(list?))
    };
    let candidates = if name.contains('/') {
        vec![c_string(name.as_str(), "the command")?]
    } else {
        let path = draft
            .process
            .env
            .iter()
            .rev()
            .find_map(|e| e.strip_prefix("PATH="))
            .unwrap_or(PATH);
        // An empty element means the working directory (environ(7)); containers are not to run from there by accident.
        let directories: Vec<&str> = path.split(':').filter(|d| !d.is_empty()).collect();
        draft.plan.searched = directories.iter().map(|d| (*d).to_owned()).collect();
        let candidates: Result<Vec<CString>> = directories
            .iter()
            .map(|d| c_path(&Path::new(d).join(name)))
            .collect();
        candidates?
    };
    if draft.request.options.gate.is_some() {
        let candidates = candidates.clone();
        draft.push(Place::Look, "execute", name, Action::Look { candidates });
    }
    let (environment, has_home) = environment(&draft.process.env);
    if !has_home {
        let uid = draft.process.user.uid;
        draft.push(Place::Home, "look up", "the user's home", Action::Home { uid });
    }
    let action = Action::Exec {
        candidates,
        arguments: strings(&draft.process.args, "an argument")?,
        environment: strings(&environment, "the environment")?,
    };
    draft.push(Place::Exec, "execute", name, action);
    Ok(())
}

/// The environment as a program gets it, and whether it says what the user's home is: of a variable that is there twice
/// the last counts, and an empty `HOME` is none, as runc has it.
fn environment(list: &[String]) -> (Vec<String>, bool) {
    let mut seen = BTreeSet::new();
    let mut last: Vec<String> = Vec::with_capacity(list.len());
    for variable in list.iter().rev() {
        let name = variable.split('=').next().unwrap_or_default();
        if seen.insert(name) && variable != "HOME=" {
            last.push(variable.clone());
        }
    }
    last.reverse();
    let has_home = last.iter().any(|variable| variable.starts_with("HOME="));
    (last, has_home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_that_are_not_given_are_told() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let process = Process {
            capabilities: Some(Capabilities {
                permitted: list(&["CAP_KILL", "CAP_CHOWN", "CAP_NOSUCH"]),
                inheritable: list(&["CAP_KILL"]),
                ambient: list(&["CAP_KILL", "CAP_CHOWN"]),
                ..Capabilities::default()
            }),
            ..Process::default()
        };
        assert_eq!(
            doubts(&process),
            [
                "ignoring unknown or unavailable capabilities: {\"CAP_NOSUCH\"}",
                "can't raise ambient capability CAP_CHOWN: it is not permitted, or not inheritable"
            ]
        );
        assert_eq!(doubts(&Process::default()), [""; 0]);
    }

    #[test]
    fn the_last_of_a_variable_counts() {
        for (given, expected, has_home) in [
            (&["A=1", "B=2", "A=3"][..], &["B=2", "A=3"][..], false),
            (&["HOME=/a", "HOME="], &[], false),
            (&["HOME=", "HOME=/a"], &["HOME=/a"], true),
            (&["A=b=c", "A", "HOMES=/x"], &["A", "HOMES=/x"], false),
        ] {
            let given: Vec<String> = given.iter().map(|v| (*v).to_owned()).collect();
            let (list, found) = environment(&given);
            assert_eq!(
                (list.as_slice(), found),
                (
                    expected
                        .iter()
                        .map(|v| (*v).to_owned())
                        .collect::<Vec<_>>()
                        .as_slice(),
                    has_home
                )
            );
        }
    }
}
