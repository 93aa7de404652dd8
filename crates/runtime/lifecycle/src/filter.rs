//! The system call filter of a configuration: compiled once for a policy, and found again by the policy's text.
//!
//! To read a policy of four hundred calls and to compile it takes longer than all other work of a runtime on its own
//! documents. So a home keeps what was compiled, under the digest of the text it was compiled from; a configuration whose
//! policy is found there is read without it.

use crate::annotation::Annotations;
use rustix::fd::{AsFd, OwnedFd};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use tare_container::{Filter, FilterFlags, send_listener};
use tare_error::{Context, Error, Kind, Result};
use tare_spec_oci::{ContainerProcessState, SECCOMP_FD, Seccomp, Spec, State, VERSION};
use tare_store::Durability;

/// The folder in a home; no container's id holds this character.
const FOLDER: &str = "@filters";

/// How many are kept: a node has a handful of policies.
const MOST: usize = 64;

/// The longest program with what stands before it (`BPF_MAXINSNS`).
const LONGEST: usize = HEAD + 4096 * INSTRUCTION;
const HEAD: usize = 4;
const INSTRUCTION: usize = 8;

/// A policy as the kernel takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Compiled {
    bytes: Vec<u8>,
    flags: u32,
}

impl Compiled {
    fn of(policy: &Seccomp, refuses_unknown: bool) -> Result<Compiled> {
        let program = tare_seccomp::compile(policy, tare_seccomp::native()?)?;
        if let Some(name) = program.unknown.first().filter(|_| refuses_unknown) {
            return Err(Error::new(Kind::Invalid, "use", "linux.seccomp")
                .because(format!("there is no system call {name:?}"))
                .hint("it is an error by the annotation run.oci.seccomp_fail_unknown_syscall"));
        }
        Ok(Compiled {
            bytes: program.as_bytes().to_vec(),
            flags: program.flags.bits(),
        })
    }

    /// A program that somebody else has compiled, and that was looked at.
    pub(crate) fn raw(bytes: Vec<u8>, flags: FilterFlags) -> Compiled {
        Compiled {
            bytes,
            flags: flags.bits(),
        }
    }

    /// As a container takes it.
    pub(crate) fn as_filter(&self) -> Filter<'_> {
        Filter {
            program: &self.bytes,
            flags: FilterFlags::from_bits_retain(self.flags),
        }
    }

    fn read(file: &[u8]) -> Option<Compiled> {
        let (flags, bytes) = file.split_first_chunk::<HEAD>()?;
        (!bytes.is_empty() && bytes.len().is_multiple_of(INSTRUCTION)).then(|| Compiled {
            bytes: bytes.to_vec(),
            flags: u32::from_le_bytes(*flags),
        })
    }

    fn write(&self) -> Vec<u8> {
        [&self.flags.to_le_bytes(), self.bytes.as_slice()].concat()
    }
}

/// Compiles the policy of a configuration, where it has one.
pub(crate) fn compile(spec: &Spec) -> Result<Option<Compiled>> {
    let refuses_unknown = Annotations(&spec.annotations).refuses_unknown_calls()?;
    policy_of(spec)
        .map(|policy| Compiled::of(policy, refuses_unknown))
        .transpose()
}

/// The compiled policies of one home.
#[derive(Debug)]
pub(crate) struct Filters(PathBuf);

impl Filters {
    pub(crate) fn of_home(home: &Path) -> Filters {
        Filters(home.join(FOLDER))
    }

    /// What was compiled from a policy's text, by this very compiler.
    pub(crate) fn find(&self, policy: &str) -> Option<Compiled> {
        Compiled::read(&tare_store::read(self.0.join(name_of(policy)), LONGEST).ok()?)
    }

    /// Keeps what was compiled. One that asks for a listener is not kept: its policy says more than the program.
    ///
    /// # Errors
    /// The kernel's; then it is compiled again next time.
    pub(crate) fn keep(&self, policy: &str, compiled: &Compiled) -> Result<()> {
        if compiled.as_filter().flags.contains(FilterFlags::NEW_LISTENER) {
            return Ok(());
        }
        let folder = &self.0;
        let made = DirBuilder::new().mode(0o700).recursive(true).create(folder);
        made.op("make folder", folder.display())?;
        if std::fs::read_dir(folder).is_ok_and(|entries| entries.count() >= MOST) {
            tare_store::remove_contents(folder, &[])?;
        }
        let file = folder.join(name_of(policy));
        tare_store::replace(&file, Durability::Volatile, 0o600, &compiled.write())
    }
}

/// The digest of a policy's text, and of what else the program depends on.
fn name_of(policy: &str) -> String {
    let version = [env!("CARGO_PKG_VERSION"), std::env::consts::ARCH].join(" ");
    let digest = Sha256::new()
        .chain_update(version)
        .chain_update(tare_seccomp::REVISION.to_le_bytes())
        .chain_update(policy)
        .finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The policy as it stands in the text of a configuration.
pub(crate) fn policy_in(text: &[u8]) -> Option<&str> {
    #[derive(Deserialize)]
    struct Document<'a> {
        #[serde(borrow)]
        linux: Linux<'a>,
    }
    #[derive(Deserialize)]
    struct Linux<'a> {
        #[serde(borrow)]
        seccomp: &'a RawValue,
    }
    let document: Document<'_> = serde_json::from_slice(text).ok()?;
    Some(document.linux.seccomp.get()).filter(|policy| *policy != "null")
}

/// The text of a configuration with nothing in place of its policy, which is a part of that text.
pub(crate) fn without(text: &[u8], policy: &str) -> Option<Vec<u8>> {
    let begins = policy.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    let ends = begins.checked_add(policy.len())?;
    Some([text.get(..begins)?, b"null", text.get(ends..)?].concat())
}

/// Gives the listener of a process's filter to the agent that its policy names.
pub(crate) fn give_listener(policy: &Seccomp, listener: &OwnedFd, pid: i32, state: State) -> Result<()> {
    let Some(path) = &policy.listener_path else {
        return Ok(());
    };
    let state = ContainerProcessState {
        oci_version: VERSION.to_owned(),
        fds: vec![SECCOMP_FD.to_owned()],
        pid,
        metadata: policy.listener_metadata.clone(),
        state,
    };
    send_listener(path, listener.as_fd(), &state)
}

/// The policy of a configuration.
pub(crate) fn policy_of(spec: &Spec) -> Option<&Seccomp> {
    spec.linux.as_ref()?.seccomp.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"}]}"#;

    fn text() -> String {
        format!(r#"{{"linux": {{"seccomp": {POLICY}, "maskedPaths": ["/x"]}}, "ociVersion": "1.0.0"}}"#)
    }

    fn compiled() -> Compiled {
        Compiled::of(&serde_json::from_str(POLICY).unwrap(), false).unwrap()
    }

    #[test]
    fn a_policy_is_cut_out_of_its_document() {
        let text = text();
        let policy = policy_in(text.as_bytes()).unwrap();
        assert_eq!(policy, POLICY);
        let rest = without(text.as_bytes(), policy).unwrap();
        let rest: serde_json::Value = serde_json::from_slice(&rest).unwrap();
        assert_eq!(
            rest["linux"],
            serde_json::json!({"seccomp": null, "maskedPaths": ["/x"]})
        );
        for other in [
            "{}",
            r#"{"linux": {}}"#,
            r#"{"linux": {"seccomp": null}}"#,
            "nothing",
        ] {
            assert_eq!(policy_in(other.as_bytes()), None, "{other}");
        }
        assert_eq!(without(b"short", policy), None);
    }

    #[test]
    fn what_is_kept_is_found_by_its_own_text_alone() {
        let home = std::env::temp_dir().join(format!("tare-filters-{}", std::process::id()));
        let filters = Filters::of_home(&home);
        assert_eq!(filters.find(POLICY), None);
        filters.keep(POLICY, &compiled()).unwrap();
        assert_eq!(filters.find(POLICY), Some(compiled()));
        assert_eq!(filters.find(&POLICY.replace("read", "open")), None);
        let file = filters.0.join(name_of(POLICY));
        for broken in [&b""[..], b"\0\0\0\0", b"\0\0\0\0half"] {
            std::fs::write(&file, broken).unwrap();
            assert_eq!(filters.find(POLICY), None, "{broken:?}");
        }
        for n in 0..2 * MOST {
            filters.keep(&format!("{n}"), &compiled()).unwrap();
        }
        assert!(std::fs::read_dir(&filters.0).unwrap().count() <= MOST);
        std::fs::remove_dir_all(home).unwrap();
    }
}
