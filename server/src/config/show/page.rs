//! The page that a config is written on: headers, lines and notes.
//!
//! What is said of a knob is a line that a reader of TOML follows; what is to be known beside that, or has no
//! value, is a comment. No line shows what a URL keeps to itself, and no comment ends before its line does,
//! whatever names stand in it.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use toml::Value;

use super::super::redact;

/// What is written so far.
pub(super) struct Page(String);

impl Page {
    pub(super) fn new() -> Self {
        Self(String::new())
    }

    pub(super) fn text(self) -> String {
        self.0
    }

    /// A table begins: `[node]`.
    pub(super) fn header(&mut self, header: &str) {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        self.write(&format!("{gap}{header}\n"));
    }

    /// There is no table of this kind.
    pub(super) fn absent(&mut self, table: &str, what: &str) {
        self.header(&format!("# {table}: {what}"));
    }

    /// A knob with its value, which somebody has said or which is its default.
    pub(super) fn line(&mut self, key: &str, was_said: bool, value: impl Into<Value>) {
        let value = value.into();
        let shown = without_doors(&value);
        let default = if was_said { "" } else { "  # default" };
        self.write(&format!("{key} = {shown}{default}\n"));
        if shown != value {
            self.note(key, "users, passwords and queries in URLs are not shown");
        }
    }

    /// A knob that may have no value, and what holds then.
    pub(super) fn perhaps(&mut self, key: &str, value: Option<impl Into<Value>>, otherwise: &str) {
        match value {
            Some(value) => self.line(key, true, value),
            None => self.note(key, otherwise),
        }
    }

    /// A list, and what holds if there is nothing on it.
    pub(super) fn list<T: Into<Value>>(&mut self, key: &str, items: impl IntoIterator<Item = T>, otherwise: &str) {
        let items: Vec<Value> = items.into_iter().map(Into::into).collect();
        self.perhaps(key, Some(items).filter(|items| !items.is_empty()), otherwise);
    }

    /// Names whose values nobody is shown, and what holds if there are none.
    pub(super) fn names<T: AsRef<str>>(&mut self, key: &str, names: impl IntoIterator<Item = T>, otherwise: &str) {
        let names: Vec<T> = names.into_iter().collect();
        if names.is_empty() {
            return self.note(key, otherwise);
        }
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        self.note(key, &format!("{}; values are not shown", names.join(", ")));
    }

    pub(super) fn note(&mut self, key: &str, what: &str) {
        let harmless: String =
            what.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
        self.write(&format!("# {key}: {harmless}\n"));
    }

    fn write(&mut self, text: &str) {
        self.0.write_str(text).expect("writing to a string does not fail");
    }
}

/// A name as part of a header, in quotes if need be.
pub(super) fn key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    // JSON has TOML's escapes, and needs none for DEL.
    if is_bare { name.to_owned() } else { serde_json::Value::from(name).to_string().replace('\u{7f}', "\\u007f") }
}

pub(super) fn number(value: u64) -> Value {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

pub(super) fn size(value: usize) -> Value {
    number(value as u64)
}

pub(super) fn millis(duration: Duration) -> Value {
    number(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

pub(super) fn seconds(duration: Duration) -> Value {
    number(duration.as_secs())
}

pub(super) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The value, with texts whose URLs show no way in.
fn without_doors(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(redact::urls(text).into_owned()),
        Value::Array(items) => Value::Array(items.iter().map(without_doors).collect()),
        Value::Table(table) => Value::Table(
            table.iter().map(|(key, value)| (redact::urls(key).into_owned(), without_doors(value))).collect(),
        ),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_stands_on_it_the_page_can_be_read() {
        let mut page = Page::new();
        page.header(&format!("[a.{}]", key("b \"c\"\n\u{7f}.é")));
        page.line("line", false, "two\nlines # and \"more\"");
        page.names("names", ["A\nB = 1", "C"], "none");
        page.line("url", true, vec!["http://u:hunter2@h", "plain"]);
        let text = page.text();
        let read: toml::Table = toml::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let table = &read["a"]["b \"c\"\n\u{7f}.é"];
        assert_eq!(table["line"].as_str(), Some("two\nlines # and \"more\""));
        assert_eq!(table["url"][0].as_str(), Some("http://…@h"));
        assert_eq!(table.as_table().unwrap().len(), 2, "{text}");
        assert!(text.contains("# url: users, passwords") && !text.contains("hunter2"), "{text}");
    }
}
