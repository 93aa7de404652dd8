//! Profiles: docker's format, of which OCI's is the part without conditions on capabilities, architecture and kernel.

use crate::arch::docker_name;
use serde::{Deserialize, Deserializer};
use std::path::PathBuf;
use tare_error::{Error, Kind, Result};
use tare_spec_oci::{Action, Arch, Arg, FilterFlag, Seccomp, SyscallRule};

/// A profile as a person writes it, before it is resolved for a container.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    default_action: Action,
    #[serde(default)]
    default_errno_ret: Option<u32>,
    #[serde(default, deserialize_with = "list")]
    architectures: Vec<Arch>,
    #[serde(default, deserialize_with = "list")]
    arch_map: Vec<Family>,
    #[serde(default)]
    flags: Option<Vec<FilterFlag>>,
    #[serde(default)]
    listener_path: Option<PathBuf>,
    #[serde(default)]
    listener_metadata: Option<String>,
    #[serde(default, deserialize_with = "list")]
    syscalls: Vec<Rule>,
    #[serde(skip)]
    name: String,
}

/// An architecture and those that its kernel serves besides.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Family {
    architecture: Arch,
    #[serde(default, deserialize_with = "list")]
    sub_architectures: Vec<Arch>,
}

/// A rule, and when it is part of the policy.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    name: Option<String>,
    #[serde(default, deserialize_with = "list")]
    names: Vec<String>,
    action: Action,
    #[serde(default)]
    errno_ret: Option<u32>,
    #[serde(default, deserialize_with = "list")]
    args: Vec<Arg>,
    #[serde(default)]
    includes: Option<Filter>,
    #[serde(default)]
    excludes: Option<Filter>,
}

/// Facts a rule depends on.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    #[serde(default, deserialize_with = "list")]
    caps: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    arches: Vec<String>,
    #[serde(default, deserialize_with = "version")]
    min_kernel: Option<Kernel>,
}

/// A kernel's version, as far as profiles ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kernel {
    /// The first number.
    pub major: u32,
    /// The second.
    pub minor: u32,
}

/// What a profile is resolved for.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The container's bounding set, names with `CAP_`.
    pub capabilities: &'a [String],
    /// The machine's architecture.
    pub arch: Arch,
    /// The running kernel.
    pub kernel: Kernel,
}

impl Kernel {
    /// Reads a release as `uname(2)` gives it (`6.1.0-18-amd64`) or a version as profiles write it (`4.8`).
    pub fn parse(release: &str) -> Option<Kernel> {
        let (major, rest) = release.split_once('.')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        Some(Kernel {
            major: major.parse().ok()?,
            minor: rest.get(..digits)?.parse().ok()?,
        })
    }
}

impl Profile {
    /// Reads a profile in docker's or OCI's format. `name` stands in errors: a path, or what it is.
    ///
    /// Members this format does not have are ignored, as docker does.
    ///
    /// # Errors
    /// `Invalid`, with line, column and the allowed values.
    pub fn parse(text: &[u8], name: &str) -> Result<Profile> {
        let mut profile: Profile = serde_json::from_slice(text).map_err(|e| unreadable(&e, name))?;
        name.clone_into(&mut profile.name);
        if !profile.architectures.is_empty() && !profile.arch_map.is_empty() {
            return Err(profile.invalid("has both architectures and archMap", "keep one of the two"));
        }
        for (at, rule) in profile.syscalls.iter().enumerate() {
            match (&rule.name, rule.names.is_empty()) {
                (Some(_), false) => {
                    let why = format!("syscalls[{at}] has both name and names");
                    return Err(profile.invalid(&why, "put all calls into names"));
                }
                (None, true) => {
                    let why = format!("syscalls[{at}] names no system call");
                    return Err(profile.invalid(&why, "a rule has the member names, a list of system calls"));
                }
                _ => {}
            }
        }
        Ok(profile)
    }

    /// The policy for one container: a rule is part of it where all it includes is so and nothing it excludes.
    ///
    /// # Errors
    /// None today; a later format may depend on what is unknown.
    pub fn resolve(&self, facts: &Facts<'_>) -> Result<Seccomp> {
        let family = self.arch_map.iter().find(|f| f.architecture == facts.arch);
        let mapped = family
            .into_iter()
            .flat_map(|f| [&[f.architecture][..], &f.sub_architectures].concat());
        let rules = self.syscalls.iter().filter(|rule| rule.applies(facts));
        Ok(Seccomp {
            default_action: self.default_action,
            default_errno_ret: self.default_errno_ret,
            architectures: self.architectures.iter().copied().chain(mapped).collect(),
            flags: self.flags.clone(),
            listener_path: self.listener_path.clone(),
            listener_metadata: self.listener_metadata.clone(),
            syscalls: rules.map(Rule::policy).collect(),
        })
    }

    fn invalid(&self, why: &str, hint: &str) -> Error {
        Error::new(Kind::Invalid, "read seccomp profile", &self.name)
            .because(why)
            .hint(hint)
    }
}

impl Rule {
    fn applies(&self, facts: &Facts<'_>) -> bool {
        let has = |cap: &String| facts.capabilities.contains(cap);
        let here = |arch: &String| arch == docker_name(facts.arch);
        let includes = self.includes.as_ref().is_none_or(|f| {
            f.caps.iter().all(has)
                && (f.arches.is_empty() || f.arches.iter().any(here))
                && f.min_kernel.is_none_or(|least| facts.kernel >= least)
        });
        let excludes = self.excludes.as_ref().is_some_and(|f| {
            f.caps.iter().any(has)
                || f.arches.iter().any(here)
                || f.min_kernel.is_some_and(|least| facts.kernel >= least)
        });
        includes && !excludes
    }

    fn policy(&self) -> SyscallRule {
        SyscallRule {
            names: self.name.iter().chain(&self.names).cloned().collect(),
            action: self.action,
            errno_ret: self.errno_ret,
            args: self.args.clone(),
        }
    }
}

/// Says where a document is wrong, in the order of our messages.
fn unreadable(e: &serde_json::Error, name: &str) -> Error {
    let text = e.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    let error = Error::new(Kind::Invalid, "read seccomp profile", name);
    let error = error.because(format!("line {}, column {}: {what}", e.line(), e.column()));
    if what.contains("defaultAction") {
        return error.hint("defaultAction says what happens to calls without a rule, such as SCMP_ACT_ERRNO");
    }
    error.hint("the format is docker's (docs.docker.com/engine/security/seccomp) or OCI's linux.seccomp")
}

/// Reads `null` as an empty list, as Go writes it.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

fn version<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Kernel>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else {
        return Ok(None);
    };
    if text.is_empty() {
        return Ok(None);
    }
    let version = Kernel::parse(&text);
    version.map(Some).ok_or_else(|| {
        serde::de::Error::custom(format!("minKernel is `{text}`, expected two numbers such as 4.8"))
    })
}
