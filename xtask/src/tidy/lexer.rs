//! Tells code from comments and literals, without understanding more of Rust than that.

/// The text of a Rust file with every comment and the inside of every literal replaced by spaces, so that
/// what is left can be searched for words and braces. Lines and columns stay where they were.
pub(super) fn code_of(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => quoted(rest),
            'r' | 'b' | 'c' if !after_word(&out) => prefixed(rest).unwrap_or(0),
            '\'' => character(rest).unwrap_or(0),
            _ => 0,
        };
        let (blank, taken) = if length == 0 {
            (false, first.len_utf8())
        } else {
            (true, length)
        };
        for c in rest[..taken].chars() {
            out.push(if blank && c != '\n' { ' ' } else { c });
        }
        rest = &rest[taken..];
    }
    out
}

fn after_word(out: &str) -> bool {
    out.chars()
        .next_back()
        .is_some_and(|c| c.is_alphanumeric() || c == '_')
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// Length of a literal that begins with a quotation mark, its escapes heeded.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Length of `b"…"`, `c"…"`, `r"…"`, `br#"…"#` and `b'…'`; none where it is only a word that begins so.
fn prefixed(rest: &str) -> Option<usize> {
    let word = rest
        .find(|c: char| !matches!(c, 'r' | 'b' | 'c'))
        .filter(|&n| n <= 2)?;
    let after = &rest[word..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    if rest[..word].contains('r') && after[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let body = word + hashes + 1;
        return Some(
            rest[body..]
                .find(&end)
                .map_or(rest.len(), |n| body + n + end.len()),
        );
    }
    match after.chars().next()? {
        '"' => Some(word + quoted(after)),
        '\'' => character(after).map(|n| word + n),
        _ => None,
    }
}

/// Length of a character literal; none for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        chars.next()?;
        return rest[2..]
            .char_indices()
            .skip(1)
            .find(|(_, c)| *c == '\'')
            .map(|(n, _)| n + 3);
    }
    chars.next().filter(|(_, c)| *c == '\'').map(|(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::code_of;

    #[test]
    fn only_code_is_left() {
        let table = [
            ("a // unsafe\nb", "a          \nb"),
            ("/* x /* y */ */ z", "                z"),
            (r#"f("unsafe { \" }") }"#, "f(               ) }"),
            (r##"r#"a " b"# c"##, "           c"),
            ("'{' 'a 'static", "    'a 'static"),
            (r"'\'' '\u{7b}' {", "              {"),
            ("b'x' br\"{\" bar\"{\"", "           bar   "),
            ("crate::r#type {", "crate::r#type {"),
        ];
        for (text, code) in table {
            assert_eq!(code_of(text).trim_end(), code.trim_end(), "{text}");
        }
    }
}
