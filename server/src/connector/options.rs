//! Reading what a person wrote about one part of a connector, key by key.
//!
//! A definition comes from a config file, from the API or from the command line; all three give
//! the same JSON. Each key is taken out once, with its rule; what is left at the end is a key that
//! nobody knows, and refused: a misspelt bound would otherwise be no bound.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

/// Something in a definition cannot be followed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{key}: {what}")]
pub struct Invalid {
    /// Which key, with the keys around it: `preprocessors.separate.max_length`.
    pub key: String,
    /// What is the matter with its value, and what would be right.
    pub what: String,
}

impl Invalid {
    /// A key and what is the matter with it.
    pub fn new(key: impl Into<String>, what: impl fmt::Display) -> Self {
        Self { key: key.into(), what: what.to_string() }
    }

    /// The same within `outer`.
    #[must_use]
    pub fn within(self, outer: &str) -> Self {
        let key = if self.key.is_empty() { outer.to_owned() } else { format!("{outer}.{}", self.key) };
        Self { key, ..self }
    }
}

/// Keys that were not read yet.
#[derive(Clone, Debug, Default)]
pub struct Options {
    left: Map<String, Value>,
    /// Those that somebody asked for, whether they were there or not: to whoever wrote another, these are what
    /// there is.
    known: BTreeSet<String>,
}

impl Options {
    /// Takes a key out, whatever it holds. `null` is as good as absent.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        if !self.known.contains(key) {
            self.known.insert(key.to_owned());
        }
        self.left.remove(key).filter(|value| !value.is_null())
    }

    /// A whole number within `range`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn number(&mut self, key: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, Invalid> {
        let Some(value) = self.take(key) else { return Ok(None) };
        match value.as_u64().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(Invalid::new(
                key,
                format!("{value} is out of range; it may be {} to {}", range.start(), range.end()),
            )),
        }
    }

    /// A size in bytes: a number, or a text such as `"256KiB"`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn size(&mut self, key: &str, range: RangeInclusive<u64>) -> Result<Option<usize>, Invalid> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let bytes = match &value {
            Value::String(text) => bytes(text),
            other => other.as_u64(),
        };
        match bytes.filter(|bytes| range.contains(bytes)) {
            Some(bytes) => Ok(Some(usize::try_from(bytes).unwrap_or(usize::MAX))),
            None => {
                let (from, to) = (range.start(), range.end());
                Err(Invalid::new(key, format!("{value} is no size; write bytes, {from} to {to}, or \"256KiB\"")))
            }
        }
    }

    /// A text.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(&mut self, key: &str) -> Result<Option<String>, Invalid> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(Invalid::new(key, format!("{other} is not a text"))),
        }
    }

    /// True or false.
    ///
    /// # Errors
    /// When it is something else.
    pub fn flag(&mut self, key: &str) -> Result<Option<bool>, Invalid> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(Invalid::new(key, format!("{other} is neither true nor false"))),
        }
    }

    /// A list; a single value is a list of one.
    pub fn list(&mut self, key: &str) -> Option<Vec<Value>> {
        match self.take(key)? {
            Value::Array(values) => Some(values),
            one => Some(vec![one]),
        }
    }

    /// A table of its own.
    ///
    /// # Errors
    /// When it is something else.
    pub fn table(&mut self, key: &str) -> Result<Option<Self>, Invalid> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Object(table)) => Ok(Some(table.into())),
            Some(other) => Err(Invalid::new(key, format!("{other} is not a table"))),
        }
    }

    /// All keys were read.
    ///
    /// # Errors
    /// When one was not: it is unknown here.
    pub fn finish(self) -> Result<(), Invalid> {
        let Some((key, _)) = self.left.into_iter().next() else { return Ok(()) };
        let known: Vec<String> = self.known.iter().map(|key| format!("`{key}`")).collect();
        let what = match &*known {
            [] => "unknown key; there is none to set here".to_owned(),
            known => format!("unknown key, expected one of {}", known.join(", ")),
        };
        Err(Invalid::new(key, what))
    }

    /// Puts a key back, or in.
    pub(crate) fn put(&mut self, key: String, value: Value) -> Option<Value> {
        self.left.insert(key, value)
    }
}

impl From<Map<String, Value>> for Options {
    fn from(map: Map<String, Value>) -> Self {
        Self { left: map, known: BTreeSet::new() }
    }
}

/// `512`, `64KiB`, `1 MiB`, `2MB`.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn options(value: Value) -> Options {
        let Value::Object(map) = value else { panic!("a table") };
        map.into()
    }

    #[test]
    fn sizes_are_numbers_or_texts_with_a_unit() {
        for (text, expected) in [
            (json!(512), Some(512)),
            (json!("64KiB"), Some(65_536)),
            (json!("1 MiB"), Some(1 << 20)),
            (json!("2MB"), Some(2_000_000)),
            (json!("many"), None),
            (json!(-1), None),
        ] {
            let read = options(json!({"size": text})).size("size", 1..=1 << 30);
            assert_eq!(read.ok().flatten(), expected, "{text}");
        }
    }

    #[test]
    fn what_nobody_read_is_refused_by_name() {
        let mut given = options(json!({"known": 1, "unknwon": 2, "absent": null}));
        assert_eq!(given.number("known", 0..=9), Ok(Some(1)));
        assert_eq!(given.number("absent", 0..=9), Ok(None));
        let refused = given.finish().unwrap_err().within("config").to_string();
        assert_eq!(refused, "config.unknwon: unknown key, expected one of `absent`, `known`");
        assert_eq!(options(json!({"any": 1})).finish().unwrap_err().what, "unknown key; there is none to set here");
    }

    #[test]
    fn a_number_out_of_range_is_told_the_range() {
        let refused = options(json!({"n": 0})).number("n", 1..=8).unwrap_err();
        assert_eq!(refused.to_string(), "n: 0 is out of range; it may be 1 to 8");
    }
}
