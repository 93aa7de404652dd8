//! A value as Go's `%v` shows it.

use serde_json::Value;
use std::fmt::Write as _;

/// The value as text: `[a b]` for a list, `map[k:v]` for a map.
pub(crate) fn show(value: &Value) -> String {
    let mut text = String::new();
    append(&mut text, value, true);
    text
}

fn append(text: &mut String, value: &Value, outermost: bool) {
    match value {
        Value::Null if outermost => text.push_str("<no value>"),
        Value::Null => text.push_str("<nil>"),
        Value::String(string) => text.push_str(string),
        Value::Bool(_) | Value::Number(_) => {
            let _ = write!(text, "{value}");
        }
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(' ');
                }
                append(text, item, false);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push_str("map[");
            for (at, (key, item)) in members.iter().enumerate() {
                let _ = write!(text, "{}{key}:", if at > 0 { " " } else { "" });
                append(text, item, false);
            }
            text.push(']');
        }
    }
}
