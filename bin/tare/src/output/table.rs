//! Tables, padded as docker pads them: columns three spaces apart and ten characters wide at least, the last one unpadded.

use std::fmt::Write as _;

/// The least that a column takes, with the space behind it.
const NARROWEST: usize = 10;

/// Rows of text under a heading.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this heading.
    pub(crate) fn new(heading: &[&str]) -> Table {
        Table {
            rows: vec![heading.iter().map(|h| (*h).to_owned()).collect()],
        }
    }

    /// A table with rows alone.
    pub(crate) fn without_heading() -> Table {
        Table { rows: Vec::new() }
    }

    /// Adds a row; missing cells are empty.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The whole table, each line ended.
    pub(crate) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            (widest + 3).max(NARROWEST)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            for (column, width) in widths.iter().enumerate() {
                let cell = row.get(column).map_or("", String::as_str);
                if column + 1 == columns {
                    text.push_str(cell);
                } else {
                    let _ = write!(text, "{cell:width$}");
                }
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_three_spaces_apart() {
        let mut table = Table::new(&["NAME", "ID"]);
        table.row(vec!["busybox".into(), "1".into()]);
        table.row(vec!["ä".into()]);
        assert_eq!(table.render(), "NAME      ID\nbusybox   1\nä         \n");
        let mut table = Table::new(&["TAG", "ID"]);
        table.row(vec!["1".into(), "2".into()]);
        assert_eq!(table.render(), "TAG       ID\n1         2\n");
    }
}
