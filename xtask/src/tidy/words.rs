//! Words that must be there (what a file is for) and words that must not (open ends, hosts).

use super::Finding;
use super::tree::Source;

/// Every Rust file begins with a sentence that says what it holds.
pub(super) fn first_sentence(source: &Source) -> Vec<Finding> {
    if !source.is_rust() {
        return Vec::new();
    }
    let first = source
        .text
        .lines()
        .find(|line| !line.trim().is_empty() && !line.starts_with("#!"));
    if first.is_some_and(|line| line.starts_with("//!") && line.len() > 8) {
        return Vec::new();
    }
    vec![Finding::new(
        &source.path,
        1,
        "no //! sentence: say what this file holds and why it exists",
    )]
}

/// A crate's page answers what it is, what it is not, its words, its life and its rules.
pub(super) fn five_questions(source: &Source) -> Vec<Finding> {
    if !source.is_crate_root() {
        return Vec::new();
    }
    let page: String = source
        .text
        .lines()
        .filter(|line| line.starts_with("//!"))
        .collect();
    ["What", "Not", "Words", "Life", "Rules"]
        .iter()
        .filter(|question| !page.contains(&format!("**{question}.**")))
        .map(|question| {
            Finding::new(
                &source.path,
                1,
                format!("the crate page does not answer **{question}.**"),
            )
        })
        .collect()
}

/// Work left for later carries the number of its issue.
pub(super) fn open_ends(source: &Source) -> Vec<Finding> {
    // Spelled in two parts, so that this file does not find itself. Prose may speak of the rule.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
        concat!("HA", "CK:"),
    ];
    if source.name().ends_with(".md") || source.name() == "Cargo.lock" {
        return Vec::new();
    }
    let numbered = |line: &str| {
        line.split('#')
            .skip(1)
            .any(|part| part.starts_with(|c: char| c.is_ascii_digit()))
    };
    lines(source)
        .filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)) && !numbered(line))
        .map(|(number, _)| Finding::new(&source.path, number, "an open end without an issue number (#12)"))
        .collect()
}

/// The tree names no package registry or mirror: which one is asked is the machine's affair.
pub(super) fn hosts(source: &Source) -> Vec<Finding> {
    // In parts, for the same reason. The lock file's addresses are Cargo's.
    let hosts = [
        ["crates", "io"].join("."),
        ["static.rust-lang", "org"].join("."),
        ["debian", "org/debian"].join("."),
        ["deb.debian", "org"].join("."),
        ["security.debian", "org"].join("."),
        ["snapshot.debian", "org"].join("."),
        ["pypi", "org"].join("."),
        ["pythonhosted", "org"].join("."),
        ["npmjs", "org"].join("."),
        ["proxy.golang", "org"].join("."),
        ["repo1.maven", "org"].join("."),
    ];
    if source.name() == "Cargo.lock" {
        return Vec::new();
    }
    lines(source)
        .filter(|(_, line)| hosts.iter().any(|host| line.contains(host.as_str())))
        .map(|(number, _)| {
            Finding::new(
                &source.path,
                number,
                "names a package registry's or mirror's host",
            )
        })
        .collect()
}

fn lines(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    source
        .text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_without_a_first_sentence_are_found() {
        for sin in [
            "",
            "fn main() {}",
            "// a comment",
            "//!\n",
            "\n\nuse std::fmt;\n//! Too late here.",
        ] {
            assert_eq!(first_sentence(&Source::new("a.rs", sin)).len(), 1, "{sin}");
        }
        for fine in [
            "//! What this holds.",
            "#!/usr/bin/env run\n\n//! What this holds.",
            "#![no_std]\n//! What it is.",
        ] {
            assert_eq!(first_sentence(&Source::new("a.rs", fine)), [], "{fine}");
        }
    }

    #[test]
    fn unanswered_questions_are_found() {
        let page = "//! **What.** a\n//! **Not.** b\n//! **Words.** c\n//! **Life.** d\n";
        let found = five_questions(&Source::new("crates/a/b/src/lib.rs", page));
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("Rules"), "{found:?}");
        assert_eq!(five_questions(&Source::new("crates/a/b/src/other.rs", "")), []);
    }

    #[test]
    fn open_ends_without_a_number_are_found() {
        let mark = concat!("TO", "DO");
        assert_eq!(
            open_ends(&Source::new("a.rs", &format!("// {mark} later"))).len(),
            1
        );
        assert_eq!(
            open_ends(&Source::new("run.sh", &format!("# {mark}: # later"))).len(),
            1
        );
        assert_eq!(
            open_ends(&Source::new("a.rs", &format!("// {mark}(#17): later"))),
            []
        );
    }

    #[test]
    fn hosts_are_found() {
        let sin = format!("see https://{}/crates/x", ["crates", "io"].join("."));
        assert_eq!(hosts(&Source::new("README.md", &sin)).len(), 1);
        assert_eq!(hosts(&Source::new("Cargo.lock", &sin)), []);
    }
}
