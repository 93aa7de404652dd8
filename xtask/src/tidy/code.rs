//! What must not be written: unsafe outside the kernel layer, an error that prints its source.

use super::Finding;
use super::tree::Source;

/// `unsafe` in shipped code lives in crates/kernel alone.
pub(super) fn unsafe_outside_kernel(source: &Source) -> Vec<Finding> {
    if ["crates/kernel/", "tests/", "benches/", "fuzz/"]
        .iter()
        .any(|folder| source.path.starts_with(folder))
    {
        return Vec::new();
    }
    source
        .words("unsafe")
        .map(|at| Finding::new(&source.path, source.line_at(at), "unsafe outside crates/kernel"))
        .collect()
}

/// `Display` of an error prints that error alone; whoever reports it walks the chain.
pub(super) fn source_in_display(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for at in source.words("Display") {
        let header = &source.code[..at];
        let starts = header.rfind(['}', ';', '{']).map_or(0, |n| n + 1);
        let declares = header[starts..].contains("impl")
            && source.code[at..]
                .trim_start_matches("Display")
                .trim_start()
                .starts_with("for ");
        let Some(open) = source.code[at..].find('{').filter(|_| declares) else {
            continue;
        };
        let body = at + open..at + open + end_of_block(&source.code[at + open..]);
        // In the code as a field or a call, in a format string as a name.
        let named = source.words("source").find(|word| body.contains(word));
        let printed = source.text[body.clone()].find("{source").map(|n| n + body.start);
        if let Some(word) = named.or(printed) {
            let message = "Display prints the source: leave that to whoever reports the chain";
            found.push(Finding::new(&source.path, source.line_at(word), message));
        }
    }
    found
}

fn end_of_block(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_is_found_outside_the_kernel_layer() {
        let sin = "fn f() { unsafe { g() } }";
        assert_eq!(
            unsafe_outside_kernel(&Source::new("crates/image/layer/src/a.rs", sin)).len(),
            1
        );
        assert_eq!(
            unsafe_outside_kernel(&Source::new("crates/kernel/sys/src/a.rs", sin)),
            []
        );
        let words = "#![deny(unsafe_code)] // unsafe\n";
        assert_eq!(
            unsafe_outside_kernel(&Source::new("bin/tare/src/main.rs", words)),
            []
        );
    }

    #[test]
    fn a_display_that_prints_its_source_is_found() {
        let display = |body: &str| {
            let text = format!(
                "use a::Display;\n\nimpl fmt::Display for E {{\n fn fmt(&self) {{ {body} }}\n}}\nfn source() {{}}"
            );
            source_in_display(&Source::new("a.rs", &text))
                .iter()
                .map(|f| f.line)
                .collect::<Vec<_>>()
        };
        assert_eq!(display("write!(f, \"{}: {}\", self.what, self.source)"), [4]);
        assert_eq!(display("let source = 1; write!(f, \"{source}\")"), [4]);
        assert_eq!(display("write!(f, \"{source}\", source = 1)"), [4]);
        assert_eq!(display("write!(f, \"{}\", self.what)"), [0; 0]);
    }
}
