//! `cargo xtask tidy`: the rules of the style page that no compiler lint covers.

mod code;
mod generated;
mod layers;
mod lexer;
mod names;
mod size;
mod tree;
mod words;

use std::fmt;

/// One place that breaks one rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// Path below the top of the tree.
    path: String,
    /// Counted from 1; 0 where the whole file is meant.
    line: usize,
    /// What is wrong, and what to do instead.
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Finding {
            path: path.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// The rules that look at one file at a time.
const FILE_RULES: &[fn(&tree::Source) -> Vec<Finding>] = &[
    names::path,
    names::declarations,
    size::functions,
    size::file,
    size::readme,
    words::first_sentence,
    words::five_questions,
    words::open_ends,
    words::hosts,
    code::unsafe_outside_kernel,
    code::source_in_display,
];

/// Writes down what was generated from what.
pub(crate) fn record_generated() -> Result<(), String> {
    std::fs::write(generated::CHECKSUMS, generated::checksums(&tree::read()?))
        .map_err(|e| format!("write {}: {e}", generated::CHECKSUMS))
}

/// Checks the whole tree; true when nothing was found.
pub(crate) fn run() -> Result<bool, String> {
    let sources = tree::read()?;
    let mut findings: Vec<Finding> = sources
        .iter()
        .flat_map(|source| FILE_RULES.iter().flat_map(move |rule| rule(source)))
        .collect();
    let workspace = layers::Workspace::read()?;
    findings.extend(workspace.direction());
    findings.extend(workspace.light_programs());
    findings.extend(layers::reasons(&sources));
    findings.extend(generated::current(&sources));
    for finding in &findings {
        crate::say(finding);
    }
    crate::say(format_args!(
        "tidy: {} files, {} findings",
        sources.len(),
        findings.len()
    ));
    Ok(findings.is_empty())
}
