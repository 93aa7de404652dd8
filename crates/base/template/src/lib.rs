//! **What.** The templates that `--format` takes: the part of Go's `text/template` that scripts written for docker use, over
//! JSON values.
//!
//! **Not.** No files, no named templates (`define`, `template`, `block`), no methods, no tables (a program lines columns up).
//!
//! **Words.** *Action*: what stands between `{{` and `}}`. *Dot*: the value that an action is about. *Pipeline*: commands
//! joined by `|`, each given the last one's value as its last argument.
//!
//! **Life.** text → [`Template::parse`] → [`Template::render`] with one value after the other.
//!
//! **Rules.** Neither text nor data can make it use much: the text is at most 64 KiB long and its parts 32 deep, one rendering
//! takes at most a million steps and makes at most 16 MiB. What is asked of a value that has no such field is an error that names the
//! nearest one; of a map that people fill (its keys do not begin with capitals) it is no value.
//!
//! ```
//! # fn main() -> tare_error::Result<()> {
//! use serde_json::json;
//! let template = tare_template::Template::parse(r#"{{.Names}}{{range $k, $v := .Labels}} {{$k}}={{upper $v}}{{end}}"#)?;
//! assert_eq!(template.render(&json!({"Names": "web", "Labels": {"a": "b"}}))?, "web a=B");
//! # Ok(())
//! # }
//! ```

mod syntax;

mod parse;

mod evaluate;

mod functions;
mod printf;
mod show;

use serde_json::Value;
use tare_error::{Error, Kind, Result};

/// Bytes of a template.
pub const LONGEST: usize = 64 * 1024;
/// How deep parentheses and blocks may stand in each other.
pub(crate) const DEEPEST: usize = 32;
/// Steps of one rendering.
pub(crate) const MOST_STEPS: usize = 1_000_000;
/// Bytes of what one rendering makes, and of any text it makes on the way.
pub(crate) const MOST_OUTPUT: usize = 16 << 20;

/// A template that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    text: String,
    nodes: Vec<syntax::Node>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// `Invalid`, saying where and why; `Unsupported` for parts of Go's language that are not served.
    pub fn parse(text: &str) -> Result<Template> {
        let nodes = parse::parse(text)?;
        let text = text.to_owned();
        Ok(Template { text, nodes })
    }

    /// What it says of a value.
    ///
    /// # Errors
    /// `Invalid` where it asks for what the value has not; `Exhausted` where it would take too long or make too much.
    pub fn render(&self, data: &Value) -> Result<String> {
        evaluate::render(self, data)
    }
}

/// A complaint about a template.
fn wrong(text: &str, why: impl std::fmt::Display) -> Error {
    let short: String = text.chars().take(80).collect();
    Error::new(Kind::Invalid, "read template", format!("{short:?}")).because(why)
}

#[cfg(test)]
mod tests;
