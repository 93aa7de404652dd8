//! Names that say nothing: of files, of modules, of types.

use super::Finding;
use super::tree::Source;

/// Words a file or module must not be named for: each hides what is inside.
const BANNED: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "misc", "manager", "shared", "inner", "impl",
];

/// The same for types, where "shared" and "common" may be a real adjective.
const BANNED_IN_TYPES: &[&str] = &["util", "utils", "helper", "helpers", "misc", "manager", "inner"];

/// File and folder names of the code; `mod.rs`.
pub(super) fn path(source: &Source) -> Vec<Finding> {
    if !source.is_rust() {
        return Vec::new();
    }
    let mut found: Vec<Finding> = source
        .path
        .trim_end_matches(".rs")
        .split('/')
        .filter_map(|part| part.split(['_', '-']).find(|word| BANNED.contains(word)))
        .map(|word| {
            Finding::new(
                &source.path,
                0,
                format!("named for nothing: \"{word}\"; name it for what it holds"),
            )
        })
        .collect();
    if source.name() == "mod.rs" {
        found.push(Finding::new(&source.path, 0, "mod.rs: use foo.rs beside foo/"));
    }
    found
}

/// Modules and types declared in the code.
pub(super) fn declarations(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for keyword in ["mod", "struct", "enum", "trait", "union", "type"] {
        let banned = if keyword == "mod" { BANNED } else { BANNED_IN_TYPES };
        for at in source.words(keyword) {
            let after = source.code[at + keyword.len()..].trim_start();
            let end = after
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(after.len());
            let name = &after[..end];
            if let Some(word) = words_of(name).into_iter().find(|w| banned.contains(&w.as_str())) {
                let message = format!("{keyword} {name}: \"{word}\" says nothing; name it for what it holds");
                found.push(Finding::new(&source.path, source.line_at(at), message));
            }
        }
    }
    found
}

/// `SnapshotManager` and `snapshot_manager` → snapshot, manager.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in name.chars() {
        if c == '_' || c.is_uppercase() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c != '_', words.last_mut()) {
            word.extend(c.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_are_found() {
        for sin in [
            "crates/x/y/src/utils.rs",
            "crates/common/y/src/a.rs",
            "bin/a/src/mount_helper.rs",
        ] {
            assert_eq!(path(&Source::new(sin, "")).len(), 1, "{sin}");
        }
        assert_eq!(path(&Source::new("crates/x/y/src/a/mod.rs", "")).len(), 1);
        for fine in [
            "crates/x/y/src/implement.rs",
            "docs/common.md",
            "crates/x/y/src/commons.rs",
        ] {
            assert_eq!(path(&Source::new(fine, "")), [], "{fine}");
        }
    }

    #[test]
    fn empty_declarations_are_found() {
        for sin in [
            "mod helpers;",
            "pub struct StoreManager(u8);",
            "struct\n Inner {}",
            "mod inner { }",
        ] {
            assert_eq!(declarations(&Source::new("a.rs", sin)).len(), 1, "{sin}");
        }
        for fine in [
            "// mod helpers",
            "struct SharedMount;",
            "let model = 1;",
            "impl Display for X {}",
        ] {
            assert_eq!(declarations(&Source::new("a.rs", fine)), [], "{fine}");
        }
    }
}
