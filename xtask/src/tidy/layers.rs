//! Who may depend on whom, what must stay light, and why each foreign crate is here.

use super::Finding;
use super::tree::Source;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// From the bottom up. Crates of one folder may use what [`Workspace::order`] puts before them; folders of
/// one row never use each other.
const LAYERS: &[&[&str]] = &[
    &["crates/base"],
    &["crates/spec"],
    &["crates/kernel"],
    &["crates/runtime", "crates/image", "crates/network", "crates/vm"],
    &["crates/node"],
    &["bin"],
];

/// Programs that start once per container or stay as long as one, and what must not get into them.
const LIGHT: &[(&str, &[&str])] = &[
    (
        "tare-runtime",
        &[
            "tokio",
            "rustls",
            "hyper",
            "prost",
            "regex",
            "libsqlite3-sys",
            "clap",
        ],
    ),
    (
        "tare-shim",
        &["tokio", "rustls", "hyper", "regex", "libsqlite3-sys"],
    ),
    ("containerd-shim-tare-v2", &["rustls", "hyper", "libsqlite3-sys"]),
];

/// One dependency line of one package of ours.
#[derive(Debug)]
struct Edge {
    from: String,
    to: String,
    dev: bool,
}

/// What Cargo says about the workspace.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// Our packages: name → folder below the top.
    folders: BTreeMap<String, String>,
    edges: Vec<Edge>,
    /// Every package, ours or not → what it links when built for real.
    links: BTreeMap<String, BTreeSet<String>>,
    /// Our crates in the order in which the workspace table names them.
    order: Vec<String>,
}

impl Workspace {
    /// Asks Cargo.
    pub(super) fn read() -> Result<Self, String> {
        let output = Command::new("cargo")
            .args(["metadata", "--format-version=1", "--locked", "--quiet"])
            .output()
            .map_err(|e| format!("run cargo metadata: {e}"))?;
        if !output.status.success() {
            return Err(format!(
                "cargo metadata: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ));
        }
        let value: Value =
            serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata: {e}"))?;
        let manifest = std::fs::read_to_string("Cargo.toml").map_err(|e| format!("read Cargo.toml: {e}"))?;
        Ok(Self::from_parts(&value, &manifest))
    }

    fn from_parts(metadata: &Value, manifest: &str) -> Self {
        let mut workspace = Workspace {
            order: own_crates(manifest),
            ..Workspace::default()
        };
        let top = text(&metadata["workspace_root"]);
        let mut names = BTreeMap::new();
        for package in list(&metadata["packages"]) {
            let name = text(&package["name"]);
            names.insert(text(&package["id"]), name);
            let Some(folder) = text(&package["manifest_path"]).strip_prefix(top) else {
                continue;
            };
            if !package["source"].is_null() {
                continue;
            }
            let folder = folder.trim_start_matches('/').trim_end_matches("/Cargo.toml");
            workspace.folders.insert(name.to_owned(), folder.to_owned());
            workspace
                .edges
                .extend(list(&package["dependencies"]).iter().map(|dependency| Edge {
                    from: name.to_owned(),
                    to: text(&dependency["name"]).to_owned(),
                    dev: dependency["kind"] == "dev",
                }));
        }
        for node in list(&metadata["resolve"]["nodes"]) {
            let linked = list(&node["deps"])
                .iter()
                .filter(|dep| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()))
                .filter_map(|dep| names.get(text(&dep["pkg"])).map(|n| (*n).to_owned()));
            if let Some(name) = names.get(text(&node["id"])) {
                workspace
                    .links
                    .entry((*name).to_owned())
                    .or_default()
                    .extend(linked);
            }
        }
        workspace
    }

    /// Dependencies that look upwards or sideways.
    pub(super) fn direction(&self) -> Vec<Finding> {
        self.edges.iter().filter_map(|edge| self.wrong(edge)).collect()
    }

    fn wrong(&self, edge: &Edge) -> Option<Finding> {
        let (from, to) = (self.folders.get(&edge.from)?, self.folders.get(&edge.to)?);
        // Tests, benches and chores may look at everything; only they may look at the test kit.
        let (from_layer, from_folder) = layer(from)?;
        if to == "tests/kit" && edge.dev {
            return None;
        }
        let place = |name: &str| self.order.iter().position(|n| n == name);
        let why = match layer(to) {
            None => "shipped code uses tests or chores",
            Some((to_layer, _)) if to_layer > from_layer => "looks upwards",
            Some((to_layer, to_folder)) if to_layer == from_layer && to_folder != from_folder => {
                "looks sideways"
            }
            Some((_, to_folder)) if to_folder == from_folder && place(&edge.to) >= place(&edge.from) => {
                "looks at what stands below it in [workspace.dependencies]"
            }
            Some(_) => return None,
        };
        Some(Finding::new(
            &format!("{from}/Cargo.toml"),
            0,
            format!("{} -> {}: {why}", edge.from, edge.to),
        ))
    }

    /// What got into a program that must stay light, and on which way.
    pub(super) fn light_programs(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        for (program, banned) in LIGHT {
            let Some(folder) = self.folders.get(*program) else {
                continue;
            };
            for name in *banned {
                if let Some(way) = self.way(program, name) {
                    let message = format!("{program} must not hold {name}: {}", way.join(" -> "));
                    found.push(Finding::new(&format!("{folder}/Cargo.toml"), 0, message));
                }
            }
        }
        found
    }

    /// The shortest chain of links from one package to another.
    fn way(&self, from: &str, to: &str) -> Option<Vec<String>> {
        let mut ways = std::collections::VecDeque::from([vec![from.to_owned()]]);
        let mut seen = BTreeSet::from([from.to_owned()]);
        while let Some(way) = ways.pop_front() {
            let last = way.last()?;
            if last == to {
                return Some(way);
            }
            for next in self.links.get(last).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    ways.push_back(way.iter().chain([next]).cloned().collect());
                }
            }
        }
        None
    }
}

/// Row of [`LAYERS`] and folder of a package of ours; none for tests, benches and chores.
fn layer(folder: &str) -> Option<(usize, &'static str)> {
    LAYERS.iter().enumerate().find_map(|(row, folders)| {
        let below = |f: &&&str| folder.strip_prefix(**f).is_some_and(|rest| rest.starts_with('/'));
        folders.iter().find(below).map(|f| (row, *f))
    })
}

/// Our crates, in the order of the workspace table.
fn own_crates(manifest: &str) -> Vec<String> {
    dependency_lines(manifest)
        .filter(|(_, line)| line.contains("path ="))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// `name = …` lines of `[workspace.dependencies]`.
fn dependency_lines(manifest: &str) -> impl Iterator<Item = (&str, &str)> {
    manifest
        .lines()
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('=').map(|(name, _)| (name.trim(), line)))
}

const REASONS: &str = "docs/dependencies.md";

/// Each foreign crate of the workspace table has a row in docs/dependencies.md, each row its crate, and each
/// Debian package its reason.
pub(super) fn reasons(sources: &[Source]) -> Vec<Finding> {
    let read = |path: &str| {
        sources
            .iter()
            .find(|s| s.path == path)
            .map_or("", |s| s.text.as_str())
    };
    let rows: BTreeSet<&str> = read(REASONS)
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .collect();
    let used: BTreeSet<&str> = dependency_lines(read("Cargo.toml"))
        .filter(|(_, line)| !line.contains("path ="))
        .map(|(name, _)| name)
        .collect();
    let missing = used
        .difference(&rows)
        .map(|n| format!("no row says why {n} is here"));
    let stale = rows
        .difference(&used)
        .map(|n| format!("{n} is no dependency any more: remove its row"));
    let mut found: Vec<Finding> = missing
        .chain(stale)
        .map(|message| Finding::new(REASONS, 0, message))
        .collect();
    let list = "packaging/debian-packages";
    for (index, line) in read(list).lines().enumerate() {
        if !line.is_empty() && !line.starts_with('#') && line.split_whitespace().count() < 5 {
            found.push(Finding::new(
                list,
                index + 1,
                "a Debian package without targets and reason",
            ));
        }
    }
    found
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const MANIFEST: &str = "[workspace.dependencies]
tare-error = { path = \"crates/base/error\" }
tare-sys = { path = \"crates/kernel/sys\" }
tare-mount = { path = \"crates/kernel/mount\" }
serde = \"1\"
[profile.dev]
opt-level = 1
";

    fn package(name: &str, folder: &str, uses: &[(&str, Option<&str>)]) -> Value {
        let dependencies: Vec<Value> = uses
            .iter()
            .map(|(n, kind)| json!({"name": n, "kind": kind}))
            .collect();
        json!({"name": name, "id": name, "source": null, "dependencies": dependencies,
               "manifest_path": format!("/top/{folder}/Cargo.toml")})
    }

    fn messages(packages: &[Value]) -> Vec<String> {
        let metadata = json!({"workspace_root": "/top", "packages": packages});
        Workspace::from_parts(&metadata, MANIFEST)
            .direction()
            .into_iter()
            .map(|f| f.message)
            .collect()
    }

    const FOLDERS: &[(&str, &str)] = &[
        ("tare-error", "crates/base/error"),
        ("tare-sys", "crates/kernel/sys"),
        ("tare-mount", "crates/kernel/mount"),
        ("tare-container", "crates/runtime/container"),
        ("tare-layer", "crates/image/layer"),
        ("tare-engine", "crates/node/engine"),
        ("tare-kit", "tests/kit"),
        ("tare-tests", "tests"),
    ];

    #[test]
    fn wrong_directions_are_found() {
        let sins = [
            ("tare-error", "tare-sys", None),
            ("tare-layer", "tare-container", None),
            ("tare-layer", "tare-engine", Some("dev")),
            ("tare-engine", "tare-kit", None),
            ("tare-sys", "tare-mount", None),
        ];
        let fine = [
            ("tare-mount", "tare-sys", None),
            ("tare-engine", "tare-kit", Some("dev")),
            ("tare-engine", "tare-layer", None),
            ("tare-tests", "tare-engine", None),
        ];
        let found = |(from, to, kind): (&str, &str, Option<&str>)| {
            let uses = |name: &str| {
                if name == from {
                    vec![(to, kind)]
                } else {
                    Vec::new()
                }
            };
            let packages: Vec<Value> = FOLDERS
                .iter()
                .map(|(n, folder)| package(n, folder, &uses(n)))
                .collect();
            messages(&packages).len()
        };
        for edge in sins {
            assert_eq!(found(edge), 1, "{edge:?}");
        }
        for edge in fine {
            assert_eq!(found(edge), 0, "{edge:?}");
        }
    }

    #[test]
    fn a_heavy_crate_in_a_light_program_is_found_with_its_way() {
        let link = |to: &str, kind: Option<&str>| json!({"pkg": to, "dep_kinds": [{"kind": kind}]});
        let mut metadata = json!({"workspace_root": "/top",
            "packages": [package("tare-shim", "crates/node/shim", &[]), {"name": "a", "id": "a", "source": "r"},
                         {"name": "tokio", "id": "tokio", "source": "r"}],
            "resolve": {"nodes": [{"id": "tare-shim", "deps": [link("a", None)]}, {"id": "a", "deps": [link("tokio", None)]}]}});
        let found = Workspace::from_parts(&metadata, MANIFEST).light_programs();
        assert_eq!(found.len(), 1);
        assert!(found[0].message.ends_with("tare-shim -> a -> tokio"), "{found:?}");
        metadata["resolve"]["nodes"][1]["deps"] = json!([link("tokio", Some("build"))]);
        assert_eq!(Workspace::from_parts(&metadata, MANIFEST).light_programs(), []);
    }

    #[test]
    fn missing_and_stale_reasons_are_found() {
        let page = |rows: &str| {
            let sources = [Source::new("Cargo.toml", MANIFEST), Source::new(REASONS, rows)];
            reasons(&sources)
                .into_iter()
                .map(|f| f.message)
                .collect::<Vec<_>>()
        };
        assert_eq!(page("| `serde` | reads specs |"), [""; 0]);
        assert_eq!(page("").len(), 1);
        assert_eq!(page("| `serde` | a |\n| `nix` | b |").len(), 1);
        let bare = Source::new(
            "packaging/debian-packages",
            "# comment\ngcc build links things for us\njq test\n",
        );
        assert_eq!(reasons(&[bare]).len(), 1);
    }
}
