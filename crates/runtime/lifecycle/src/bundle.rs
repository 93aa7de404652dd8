//! A bundle on disk: its `config.json`, read once and checked as far as no step of the plan does.

use crate::annotation::Annotations;
use crate::create::own_stdio;
use crate::filter::{self, Compiled, Filters};
use crate::home::Home;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tare_container::{Filter, FilterFlags, HostFacts, Options, Plan, Request, doubts};
use tare_error::{Context, Error, Kind, Result};
use tare_spec_oci::{Action, Mount, Namespace, NamespaceKind, Seccomp, Spec};

/// The largest configuration that is read.
const LARGEST: usize = 16 << 20;

/// The configuration's name, in the bundle and in a container's folder.
pub(crate) const FILE: &str = "config.json";

/// A bundle, read.
#[derive(Debug)]
pub struct Bundle {
    /// Its folder; absolute.
    pub path: PathBuf,
    /// Its configuration.
    pub spec: Spec,
    /// The configuration as it was written.
    pub(crate) text: Vec<u8>,
    /// The filter of its policy, which the configuration here is without, where it had been compiled before.
    known: Option<Compiled>,
}

impl Bundle {
    /// Reads the bundle in the folder `path`.
    ///
    /// # Errors
    /// `NotFound` where there is no `config.json`, `Invalid` for one that is no configuration of the specification's
    /// major version 1, with the place of the mistake.
    pub fn read(path: &Path) -> Result<Bundle> {
        let path = std::path::absolute(path).op("find", path.display())?;
        let file = path.join(FILE);
        let text = read(&file)?;
        let mut spec = parse(&text, &file)?;
        check(&spec, &file)?;
        let known = amend(&mut spec)?;
        Ok(Bundle {
            path,
            spec,
            text,
            known,
        })
    }

    /// As [`Bundle::read`], for a container of `home`: a policy that was compiled there before is not read again.
    ///
    /// # Errors
    /// As [`Bundle::read`].
    pub fn read_for(home: &Home, path: &Path) -> Result<Bundle> {
        Bundle::read_file_for(home, path, Path::new(FILE))
    }

    /// As [`Bundle::read_for`], with another configuration than the bundle's own: a relative path starts there.
    ///
    /// # Errors
    /// As [`Bundle::read`].
    pub fn read_file_for(home: &Home, path: &Path, file: &Path) -> Result<Bundle> {
        let path = std::path::absolute(path).op("find", path.display())?;
        let file = path.join(file);
        let bundle = Bundle::known_in(home.path(), path, read(&file)?, &file)?;
        check(&bundle.spec, &file)?;
        Ok(bundle)
    }

    /// Reads the copy of a configuration in a container's folder, for a bundle that may be gone or changed.
    pub(crate) fn recorded(home: &Path, folder: &Path, bundle: &Path) -> Result<Bundle> {
        let file = folder.join(FILE);
        Bundle::known_in(home, bundle.to_owned(), read(&file)?, &file)
    }

    /// A configuration whose policy may have been compiled before.
    fn known_in(home: &Path, path: PathBuf, text: Vec<u8>, file: &Path) -> Result<Bundle> {
        let found = filter::policy_in(&text).and_then(|policy| {
            let known = Filters::of_home(home).find(policy)?;
            // One that cannot be read without its policy is told below, by its own lines.
            let spec: Spec = serde_json::from_slice(&filter::without(&text, policy)?).ok()?;
            // What the policy names is asked about.
            let is_read = Annotations(&spec.annotations).refuses_unknown_calls().ok()?;
            (!is_read).then_some((spec, Some(known)))
        });
        let (mut spec, known) = match found {
            Some(found) => found,
            None => (parse(&text, file)?, None),
        };
        let known = amend(&mut spec)?.or(known);
        Ok(Bundle {
            path,
            spec,
            text,
            known,
        })
    }

    /// The filter of its policy, where it has one.
    pub(crate) fn filter(&self, home: &Path) -> Result<Option<Compiled>> {
        if self.known.is_some() {
            return Ok(self.known.clone());
        }
        let compiled = filter::compile(&self.spec)?;
        if let (Some(compiled), Some(policy)) = (&compiled, filter::policy_in(&self.text)) {
            // Without it the next one compiles again; nothing else depends on it.
            let _ = Filters::of_home(home).keep(policy, compiled);
        }
        Ok(compiled)
    }

    /// With which flags its filter is loaded (seccomp(2)), where it has a policy.
    ///
    /// # Errors
    /// Those of the policy.
    pub fn filter_flags(&self, home: &Home) -> Result<Option<u32>> {
        let filter = self.filter(home.path())?;
        Ok(filter.map(|compiled| compiled.as_filter().flags.bits()))
    }

    /// What is asked for and not given on this machine, one sentence each ([`tare_container::doubts`], and what its kernel's
    /// Landlock lacks where it is not required).
    ///
    /// # Errors
    /// Those of the annotations.
    pub fn doubts(&self) -> Result<Vec<String>> {
        let mut doubts = self.spec.process.as_ref().map(doubts).unwrap_or_default();
        if let Some(asked) = Annotations(&self.spec.annotations).landlock()? {
            let lacking = asked.lacking(HostFacts::find_landlock());
            if !asked.required && !lacking.is_empty() {
                doubts.push(format!(
                    "Landlock of this kernel cannot restrict {}",
                    lacking.join(", ")
                ));
            }
        }
        Ok(doubts)
    }

    /// The steps by which its container is made on this machine, in the numbering of its maker: whoever starts it later
    /// looks up here what a number means. `rootfs` are the mounts that make its root, where it is not the bundle's own.
    ///
    /// # Errors
    /// Those of [`tare_container::plan()`], and where this machine cannot be looked at.
    pub fn plan(&self, id: &str, rootfs: &[Mount]) -> Result<Plan> {
        let policy = self.spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
        let has_policy = policy.is_some() || self.known.is_some();
        let asks = |policy: &Seccomp| policy.syscalls.iter().any(|rule| rule.action == Action::Notify);
        // Only whether they are there, and whether there is a listener, matters to the plan.
        let any = rustix::stdio::stdin();
        let filter = Filter {
            program: &[],
            flags: match (&self.known, policy.is_some_and(asks)) {
                (Some(known), _) => known.as_filter().flags,
                (None, true) => FilterFlags::NEW_LISTENER,
                (None, false) => FilterFlags::empty(),
            },
        };
        let asked = Annotations(&self.spec.annotations);
        let landlock = asked.landlock()?;
        let request = Request {
            id,
            spec: &self.spec,
            bundle: &self.path,
            rootfs,
            stdio: own_stdio(self.spec.process.as_ref()),
            group: None,
            entrances: &[],
            seccomp: has_policy.then_some(filter),
            options: Options {
                gate: Some(any),
                hook_state: Some(any),
                delegates: asked.delegated()?.is_some(),
                landlock: landlock.as_ref(),
                ..Options::default()
            },
        };
        tare_container::plan(&request, &HostFacts::read_for(&request.options)?)
    }

    /// Where its root is on the host.
    pub fn rootfs(&self) -> PathBuf {
        let root = self.spec.root.as_ref().map(|root| root.path.as_path());
        self.path.join(root.unwrap_or(Path::new("")))
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    match tare_store::read(path, LARGEST) {
        Err(e) if e.kind() == ErrorKind::FileTooLarge => {
            Err(Error::new(Kind::Exhausted, "read", path.display()).because("it is larger than 16 MiB"))
        }
        done => done.op("open", path.display()),
    }
}

fn parse(text: &[u8], path: &Path) -> Result<Spec> {
    serde_json::from_slice(text).map_err(|e| Error::new(Kind::Invalid, "read", path.display()).from_source(e))
}

/// Puts what annotations say into the members that the specification has for it; and the program that stands in one, in
/// place of the policy, which means nothing then but for who hears of it.
fn amend(spec: &mut Spec) -> Result<Option<Compiled>> {
    if spec.annotations.is_empty() {
        return Ok(None);
    }
    let asked = Annotations(&spec.annotations);
    let (program, offsets) = (asked.raw_filter()?, asked.time_offsets()?);
    let receiver = asked.seccomp_receiver()?.map(Path::to_owned);
    let Some(linux) = &mut spec.linux else {
        return Ok(program.map(|program| Compiled::raw(program, FilterFlags::empty())));
    };
    let is_new = |n: &Namespace| n.kind == NamespaceKind::Time && n.path.is_none();
    if linux.time_offsets.is_empty() && linux.namespaces.iter().any(is_new) {
        linux.time_offsets = offsets;
    }
    if let Some(policy) = &mut linux.seccomp {
        policy.listener_path = policy.listener_path.take().or(receiver.clone());
    }
    let Some(program) = program else {
        return Ok(None);
    };
    let flags = match receiver {
        Some(_) => FilterFlags::NEW_LISTENER,
        None => FilterFlags::empty(),
    };
    linux.seccomp = receiver.map(|path| Seccomp {
        default_action: Action::Allow,
        listener_path: Some(path),
        ..Seccomp::default()
    });
    Ok(Some(Compiled::raw(program, flags)))
}

fn check(spec: &Spec, path: &Path) -> Result<()> {
    let invalid = |why: String| Err(Error::new(Kind::Invalid, "read", path.display()).because(why));
    let major = spec.oci_version.split('.').next().unwrap_or_default();
    if major != "1" {
        return invalid(format!(
            "ociVersion is {:?}, and only versions 1 are known",
            spec.oci_version
        ));
    }
    if spec.linux.is_none() {
        return invalid("it has no \"linux\"".to_owned());
    }
    Annotations(&spec.annotations).check()?;
    match &spec.root {
        Some(root) if !root.path.as_os_str().is_empty() => Ok(()),
        _ => invalid("it has no \"root\" with a \"path\"".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_path_of_a_namespace_is_none() {
        let text = r#"{"ociVersion":"1.0.0","root":{"path":"r"},"linux":{"namespaces":[{"type":"mount","path":""}]}}"#;
        let spec = parse(text.as_bytes(), Path::new("/b/config.json")).unwrap();
        assert_eq!(spec.linux.unwrap().namespaces[0].path, None);
    }

    #[test]
    fn what_is_no_configuration_is_told_with_its_place() {
        let path = Path::new("/b/config.json");
        for (text, part) in [
            ("nothing", "expected ident at line 1"),
            (
                r#"{"ociVersion": 1}"#,
                "invalid type: integer `1`, expected a string",
            ),
            (r#"{"ociVersion":"2.0.0"}"#, "only versions 1 are known"),
            (r#"{"ociVersion":"1.0.0"}"#, "no \"linux\""),
            (r#"{"ociVersion":"1.0.0","linux":{},"process":{}}"#, "no \"root\""),
            (
                r#"{"ociVersion":"1.0.0","linux":{"namespaces":[{"type":"nosuch"}]}}"#,
                "unknown variant `nosuch`",
            ),
        ] {
            let read = parse(text.as_bytes(), path).and_then(|spec| check(&spec, path));
            let error = read.unwrap_err();
            let told = format!("{error:?}");
            assert!(error.kind() == Kind::Invalid && told.contains(part), "{told}");
        }
    }
}
