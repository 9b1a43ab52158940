//! Objects as a person reads them: in columns that align.
//!
//! What stands in a cell may be a stranger's. It is shown on one line, and nothing in it moves the cursor or
//! colours the terminal.

use serde_json::Value;

/// Rows under a head.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these heads over its columns.
    pub(super) fn new<const N: usize>(heads: [&str; N]) -> Self {
        Self { rows: vec![heads.map(str::to_owned).into()] }
    }

    /// With one more row, which has a cell a column.
    pub(super) fn row<const N: usize>(mut self, cells: [&str; N]) -> Self {
        self.rows.push(cells.map(harmless).into());
        self
    }

    /// As text, a line a row.
    pub(super) fn text(&self) -> String {
        lines(&self.rows)
    }
}

/// Every member of an object on a line, and every entry of a member that is itself one.
pub(super) fn members(object: &Value) -> String {
    let mut rows = Vec::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        match value {
            Value::Object(entries) => {
                for (n, (key, value)) in entries.iter().enumerate() {
                    let name = if n == 0 { name } else { "" };
                    rows.push(vec![harmless(name), harmless(&format!("{key}={}", plain(value)))]);
                }
            }
            value => rows.push(vec![harmless(name), harmless(&plain(value))]),
        }
    }
    lines(&rows)
}

/// Text as it is, anything else as JSON.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn lines(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn harmless(cell: &str) -> String {
    cell.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_align_whatever_is_in_them() {
        let table = Table::new(["NAME", "ID"]).row(["café", "1"]).row(["a\u{1b}[31m", "2"]);
        assert_eq!(table.text(), "NAME    ID\ncafé    1\na\u{fffd}[31m  2\n");
    }

    #[test]
    fn members_stand_below_each_other() {
        let object = json!({"name": "f", "memory": 128, "config": {"A": "x\ny", "B": "2"}, "annotations": {}});
        assert_eq!(members(&object), "config  A=x\u{fffd}y\n        B=2\nmemory  128\nname    f\n");
    }
}
