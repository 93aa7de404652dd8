//! The class of service of Intel's resource director technology (`linux.intelRdt`).

use crate::plan::Draft;
use std::path::{Path, PathBuf};
use tare_error::{Error, Kind, Result};
use tare_spec_oci::{IntelRdt, Spec};

/// What is made and written in resctrl, by the parent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Class {
    /// Its directory.
    pub(crate) directory: PathBuf,
    /// Whether it may be made where it is missing; if not, somebody else must have.
    pub(crate) may_be_made: bool,
    /// The lines for `schemata`; none leaves the file alone.
    pub(crate) schemata: String,
    /// The monitoring group of the container.
    pub(crate) monitor: Option<PathBuf>,
}

/// Adds the class that is asked for.
pub(crate) fn contribute(draft: &mut Draft<'_>) -> Result<()> {
    let Some(rdt) = &draft.linux.intel_rdt else {
        return Ok(());
    };
    let root = draft.facts.resctrl.as_ref().ok_or_else(|| {
        Error::new(Kind::Unsupported, "use", "linux.intelRdt")
            .because("the host has no resctrl at /sys/fs/resctrl")
            .hint("mount -t resctrl resctrl /sys/fs/resctrl, where the processor has the technology")
    })?;
    draft.plan.class = Some(class(rdt, draft.request.id, root)?);
    Ok(())
}

/// The class that `rdt` asks for, below resctrl's `root`.
pub(crate) fn class(rdt: &IntelRdt, id: &str, root: &Path) -> Result<Class> {
    let schemata = schemata(rdt)?;
    let id = directory_name("the container's id", id)?;
    let (directory, may_be_made) = match rdt.clos_id.as_deref().filter(|c| !c.is_empty()) {
        None => (root.join(id), true),
        // The class of everything that has no other.
        Some("/") => (root.to_owned(), false),
        Some(name) => {
            let name = directory_name("linux.intelRdt.closID", name)?;
            (root.join(name), !schemata.is_empty())
        }
    };
    let monitor = rdt
        .enable_monitoring
        .then(|| directory.join("mon_groups").join(id));
    Ok(Class {
        directory,
        may_be_made,
        schemata,
        monitor,
    })
}

/// The groups of resctrl that belong to a container alone, in the order in which they are removed: its monitoring group,
/// and the class that is named after it. A class that the configuration names is for others too, and stays (runc's rule).
pub fn resctrl_groups(spec: &Spec, id: &str, root: &Path) -> Vec<PathBuf> {
    let rdt = spec.linux.as_ref().and_then(|linux| linux.intel_rdt.as_ref());
    let Some(rdt) = rdt else {
        return Vec::new();
    };
    let named = rdt.clos_id.as_deref().filter(|c| !c.is_empty());
    let class = match named {
        Some("/") => root.to_owned(),
        name => root.join(name.unwrap_or(id)),
    };
    let monitor = rdt.enable_monitoring.then(|| class.join("mon_groups").join(id));
    monitor
        .into_iter()
        .chain(named.is_none().then_some(class))
        .collect()
}

fn directory_name<'a>(field: &str, name: &'a str) -> Result<&'a str> {
    if name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(Error::new(Kind::Invalid, "use", format!("{field} {name:?}"))
            .because("it cannot be the name of a directory in resctrl"));
    }
    Ok(name)
}

/// The lines of the class, in the order in which later ones may correct earlier ones.
fn schemata(rdt: &IntelRdt) -> Result<String> {
    let invalid = |field: &str, value: &str, why: &str| {
        Err(Error::new(Kind::Invalid, "use", format!("linux.intelRdt.{field} {value:?}")).because(why))
    };
    let cache = rdt.l3_cache_schema.as_deref().unwrap_or("");
    let bandwidth = rdt.mem_bw_schema.as_deref().unwrap_or("");
    if !bandwidth.is_empty() && (!bandwidth.starts_with("MB:") || bandwidth.contains('\n')) {
        return invalid(
            "memBwSchema",
            bandwidth,
            "it must be one line that starts with MB:",
        );
    }
    if let Some(line) = rdt.schemata.iter().find(|line| line.contains('\n')) {
        return invalid("schemata", line, "each of its strings is one line");
    }
    // With a bandwidth of its own, what the cache's member says of bandwidth does not count.
    let of_cache = cache
        .lines()
        .filter(|line| bandwidth.is_empty() || !line.starts_with("MB:"));
    let lines = of_cache
        .chain([bandwidth])
        .chain(rdt.schemata.iter().map(String::as_str));
    Ok(lines
        .filter(|l| !l.is_empty())
        .fold(String::new(), |all, line| all + line + "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_a_container_alone() {
        for (rdt, expected) in [
            ("{}", &["/r/c1"][..]),
            (r#"{"enableMonitoring": true}"#, &["/r/c1/mon_groups/c1", "/r/c1"]),
            (r#"{"closID": "gold"}"#, &[]),
            (
                r#"{"closID": "gold", "enableMonitoring": true}"#,
                &["/r/gold/mon_groups/c1"],
            ),
            (
                r#"{"closID": "/", "enableMonitoring": true}"#,
                &["/r/mon_groups/c1"],
            ),
        ] {
            let text = format!(r#"{{"ociVersion": "1.3.0", "linux": {{"intelRdt": {rdt}}}}}"#);
            let spec: Spec = serde_json::from_str(&text).unwrap();
            let found = resctrl_groups(&spec, "c1", Path::new("/r"));
            assert_eq!(
                found,
                expected.iter().map(PathBuf::from).collect::<Vec<_>>(),
                "{rdt}"
            );
        }
    }

    #[test]
    fn lines_are_joined_and_checked() {
        let of = |cache: &str, bandwidth: &str, lines: &[&str]| {
            schemata(&IntelRdt {
                l3_cache_schema: Some(cache.to_owned()),
                mem_bw_schema: Some(bandwidth.to_owned()),
                schemata: lines.iter().map(|l| (*l).to_owned()).collect(),
                ..IntelRdt::default()
            })
        };
        for (cache, bandwidth, lines, expected) in [
            ("", "", &[][..], ""),
            ("L3:0=f", "", &[], "L3:0=f\n"),
            ("L3:0=f\nMB:0=10", "", &[], "L3:0=f\nMB:0=10\n"),
            ("L3:0=f\nMB:0=10", "MB:0=20", &[], "L3:0=f\nMB:0=20\n"),
            (
                "L3:0=f",
                "MB:0=20",
                &["L2:0=3", "MB:0=30"],
                "L3:0=f\nMB:0=20\nL2:0=3\nMB:0=30\n",
            ),
        ] {
            assert_eq!(of(cache, bandwidth, lines).unwrap(), expected);
        }
        assert_eq!(
            of("", "L3:0=f", &[]).unwrap_err().to_string(),
            "use linux.intelRdt.memBwSchema \"L3:0=f\": it must be one line that starts with MB:"
        );
        assert!(of("", "MB:0=1\nMB:1=1", &[]).is_err() && of("", "", &["a\nb"]).is_err());
    }
}
