//! How long a function, a file and a folder's README may be.

use super::Finding;
use super::tree::Source;

const FUNCTION_LINES: usize = 100;
const FILE_LINES: usize = 800;
const README_LINES: usize = 40;

/// Functions of more than 100 lines of code. A function that is a data table says so:
/// `#[expect(clippy::too_many_lines, reason = "… table …")]`.
pub(super) fn functions(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for at in source.words("fn") {
        let Some(body) = body_of(&source.code[at..]) else {
            continue;
        };
        let lines = body.lines().filter(|line| !line.trim().is_empty()).count();
        if lines > FUNCTION_LINES && !is_table(&source.text[..at]) {
            let name = source.code[at + 2..]
                .trim_start()
                .split(['(', '<'])
                .next()
                .unwrap_or_default();
            let message =
                format!("fn {name} has {lines} lines of code; at most {FUNCTION_LINES}: cut it by its steps");
            found.push(Finding::new(&source.path, source.line_at(at), message));
        }
    }
    found
}

/// From the first brace of a function to its last; none where it has no body.
fn body_of(code: &str) -> Option<&str> {
    let open = code.find(['{', ';']).filter(|&at| code[at..].starts_with('{'))?;
    let mut depth = 0_usize;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&code[open..=open + at]);
        }
    }
    None
}

/// True where the attributes right above say that this function is a table.
fn is_table(before: &str) -> bool {
    let attributes = before.rsplit("\n\n").next().unwrap_or_default();
    attributes.rfind("clippy::too_many_lines").is_some_and(|at| {
        attributes[at..]
            .split(']')
            .next()
            .is_some_and(|a| a.contains("table"))
    })
}

/// Files of more than 800 lines of code, tests at their end not counted.
pub(super) fn file(source: &Source) -> Vec<Finding> {
    if !source.is_rust() {
        return Vec::new();
    }
    let end = source
        .code
        .find("#[cfg(test)]\nmod ")
        .unwrap_or(source.code.len());
    let lines = source.code[..end]
        .lines()
        .filter(|line| !line.trim().is_empty())
        .count();
    if lines <= FILE_LINES {
        return Vec::new();
    }
    vec![Finding::new(
        &source.path,
        0,
        format!("{lines} lines of code; at most {FILE_LINES}"),
    )]
}

/// A README below crates/ is a signpost, not a manual.
pub(super) fn readme(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    if !source.path.starts_with("crates/") || source.name() != "README.md" || lines <= README_LINES {
        return Vec::new();
    }
    vec![Finding::new(
        &source.path,
        0,
        format!("{lines} lines; at most {README_LINES}: the crate page says the rest"),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    step();\n".repeat(lines))
    }

    #[test]
    fn long_functions_are_found_and_tables_are_not() {
        let sin = long(120);
        let found = functions(&Source::new("a.rs", &format!("{}\n{sin}", long(40))));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 44);
        let table = format!("#[expect(clippy::too_many_lines, reason = \"a data table\")]\n{sin}");
        assert_eq!(functions(&Source::new("a.rs", &table)), []);
        let comments = format!("fn short() {{\n{}}}\n", "    // why\n\n".repeat(120));
        assert_eq!(functions(&Source::new("a.rs", &comments)), []);
        assert_eq!(
            functions(&Source::new("a.rs", "trait T { fn f(&self) -> [u8; 4]; }")),
            []
        );
    }

    #[test]
    fn long_files_are_found_without_their_tests() {
        let lines = "const A: u8 = 1;\n".repeat(801);
        assert_eq!(file(&Source::new("a.rs", &lines)).len(), 1);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{lines}}}\n");
        assert_eq!(file(&Source::new("a.rs", &tests)), []);
    }

    #[test]
    fn long_readmes_are_found() {
        let text = "line\n".repeat(41);
        assert_eq!(readme(&Source::new("crates/base/README.md", &text)).len(), 1);
        assert_eq!(readme(&Source::new("README.md", &text)), []);
    }
}
