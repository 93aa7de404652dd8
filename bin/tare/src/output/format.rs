//! `--format`: a table, JSON, or a template, in docker's words.

use super::Table;
use serde_json::{Map, Value};
use tare_error::Result;
use tare_template::Template;

/// How a list is shown.
#[derive(Debug)]
pub(crate) enum Format {
    /// Columns that a template makes, divided by tabs, under a heading.
    Table(Template),
    /// The same without a heading.
    Columns(Template),
    /// One object a line.
    Json,
    /// What the template says of each.
    Each(Template),
}

impl Format {
    /// Reads `table`, `table TEMPLATE`, `json` or `TEMPLATE`; nothing is `usual`, the template of the usual table.
    pub(crate) fn parse(text: Option<&str>, usual: &str) -> Result<Format> {
        match text {
            None | Some("" | "table") => Template::parse(usual).map(Format::Table),
            Some("json") => Ok(Format::Json),
            Some(text) => {
                // A shell's quotes hand these on as they were typed.
                let text = text.replace("\\t", "\t").replace("\\n", "\n");
                match text.strip_prefix("table") {
                    Some(columns) if columns.starts_with(char::is_whitespace) => {
                        Template::parse(columns.trim()).map(Format::Table)
                    }
                    _ => Template::parse(&text).map(Format::Each),
                }
            }
        }
    }

    /// The same columns without what stands over them.
    pub(crate) fn without_headings(self) -> Format {
        match self {
            Format::Table(template) => Format::Columns(template),
            other => other,
        }
    }

    /// The list: of each row the named fields are shown as JSON, and the headings stand over its columns.
    pub(crate) fn show(&self, rows: &[Value], headings: &[(&str, &str)]) -> Result<String> {
        match self {
            Format::Json => Ok(rows
                .iter()
                .map(|row| {
                    let member = |(name, _): &(&str, &str)| {
                        ((*name).to_owned(), row.get(*name).cloned().unwrap_or_default())
                    };
                    let object: Map<String, Value> = headings.iter().map(member).collect();
                    format!("{}\n", Value::Object(object))
                })
                .collect()),
            Format::Each(template) => per_object(template, rows),
            Format::Table(template) => {
                let over = headings
                    .iter()
                    .map(|(name, heading)| ((*name).to_owned(), Value::from(*heading)));
                let over = template.render(&Value::Object(over.collect()))?;
                fill(Table::new(&over.split('\t').collect::<Vec<_>>()), template, rows)
            }
            Format::Columns(template) => fill(Table::without_heading(), template, rows),
        }
    }
}

/// The table with a row for each.
fn fill(mut table: Table, template: &Template, rows: &[Value]) -> Result<String> {
    for row in rows {
        let line = template.render(row)?;
        table.row(line.split('\t').map(str::to_owned).collect());
    }
    Ok(table.render())
}

/// What a template says of each, a line each.
pub(crate) fn per_object(template: &Template, objects: &[Value]) -> Result<String> {
    let mut text = String::new();
    for object in objects {
        text.push_str(&template.render(object)?);
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_are_shown_in_every_form() {
        let rows = [
            json!({"ID": "1", "Names": "web", "Other": 7}),
            json!({"ID": "2", "Names": "a-long-name"}),
        ];
        let headings = [("ID", "CONTAINER ID"), ("Names", "NAMES")];
        let shown = |text: Option<&str>| {
            let format = Format::parse(text, "{{.ID}}\t{{.Names}}").unwrap();
            format.show(&rows, &headings).unwrap()
        };
        let usual = "CONTAINER ID   NAMES\n1              web\n2              a-long-name\n";
        for (text, expected) in [
            (None, usual),
            (Some("table"), usual),
            (
                Some("table {{.Names}}\\t{{.ID}}"),
                "NAMES         CONTAINER ID\nweb           1\na-long-name   2\n",
            ),
            (
                Some("json"),
                "{\"ID\":\"1\",\"Names\":\"web\"}\n{\"ID\":\"2\",\"Names\":\"a-long-name\"}\n",
            ),
            (Some("{{.ID}}\\t{{upper .Names}}"), "1\tWEB\n2\tA-LONG-NAME\n"),
            (Some("tables"), "tables\ntables\n"),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }
}
