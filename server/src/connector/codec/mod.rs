//! What a frame says: bytes become a [`Value`], and a value becomes bytes.
//!
//! A value that only passes through need not become a tree. JSON stays the text it came as, checked
//! and nothing more; text and bytes stay what they are. Only what a codec had to take apart, or
//! has to, is a tree.
//!
//! A codec is a file with both its directions; [`string`] is the smallest. The set is closed, so the
//! factory is one `match`. Absent on purpose: YAML, whose parsers are quietly abandoned, and
//! formats that need a schema from elsewhere.

mod binary;
mod cloudevent;
mod csv;
pub mod influx;
pub mod json;
mod msgpack;
mod null;
pub mod statsd;
pub mod string;
pub mod syslog;
mod value;

use std::fmt;

use super::options::{Invalid, Options};
use super::stage::Piece;

pub use value::{JsonText, Value};

/// What frames mean on one connection, both ways.
pub trait Codec: fmt::Debug + Send {
    /// What a frame says; `None` if it says nothing, as a comment does. `now_ns` is the time in ns
    /// since 1970, for frames that leave theirs out.
    ///
    /// # Errors
    /// When it is no frame of this codec.
    fn decode(&mut self, piece: &Piece, now_ns: u64) -> Result<Option<Value>, Undecodable>;

    /// Appends what says `value`.
    ///
    /// # Errors
    /// When this codec cannot say it. What was appended until then is to be thrown away.
    fn encode(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<(), Unencodable>;

    /// What the bytes of a frame are; empty where nobody has a name for it.
    fn content_type(&self) -> &'static str;

    /// Is what was decoded given to a function as the bytes that came?
    fn passes_bytes(&self) -> bool {
        false
    }
}

/// A frame that says nothing in this codec.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("frame is not {codec}: {why}")]
pub struct Undecodable {
    /// What it should have been.
    pub codec: &'static str,
    /// What is the matter.
    pub why: String,
}

/// A value that this codec cannot say.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("value cannot be written as {codec}: {why}")]
pub struct Unencodable {
    /// What it should have become.
    pub codec: &'static str,
    /// What is the matter.
    pub why: String,
}

/// A codec by name, or one of its aliases.
///
/// # Errors
/// When there is none of that name, or its options cannot be followed.
pub fn codec(name: &str, options: Options) -> Result<Box<dyn Codec>, Invalid> {
    let (plain, mut options) = (name, options);
    let mut make = || -> Result<Box<dyn Codec>, Invalid> {
        let made: Box<dyn Codec> = match plain {
            "binary" | "application/octet-stream" => Box::new(binary::Binary),
            "cloudevent" => Box::new(cloudevent::CloudEvent),
            "csv" | "text/csv" => Box::new(csv::Csv),
            "influx" => Box::new(influx::Influx),
            "json" | "application/json" => Box::new(json::Json::read(&mut options)?),
            "json-sorted" => Box::new(json::Json { is_sorted: true }),
            "msgpack" | "application/msgpack" | "application/x-msgpack" | "application/vnd.msgpack" => {
                Box::new(msgpack::Msgpack)
            }
            "null" => Box::new(null::Null),
            "statsd" => Box::new(statsd::Statsd),
            "string" | "text/plain" | "text/html" => Box::new(string::Text),
            "syslog" => Box::new(syslog::Syslog),
            _ => return Err(Invalid::new("", format!("unknown codec {plain:?}; there are {NAMES}"))),
        };
        Ok(made)
    };
    let made = make().map_err(|e| if e.key.is_empty() { e } else { e.within(name) })?;
    options.finish().map_err(|e| e.within(name))?;
    Ok(made)
}

const NAMES: &str = "binary, cloudevent, csv, influx, json, msgpack, null, statsd, string, syslog";

#[cfg(test)]
pub(crate) mod testing {
    use serde_json::json;

    use super::*;

    /// What `text` says; `None` for nothing, an error as text.
    pub(crate) fn decode(name: &str, text: impl AsRef<[u8]>) -> Result<Option<serde_json::Value>, String> {
        let piece = Piece { bytes: text.as_ref().to_vec().into(), ingest_ns: None };
        let decoded = codec(name, Options::default()).unwrap().decode(&piece, 42).map_err(|e| e.to_string())?;
        Ok(decoded.map(|value| value.to_tree().into_owned()))
    }

    /// What says `value`.
    pub(crate) fn encode(name: &str, value: serde_json::Value) -> Result<String, String> {
        let mut out = Vec::new();
        let mut codec = codec(name, Options::default()).unwrap();
        codec.encode(&Value::Tree(value), &mut out).map_err(|e| e.to_string())?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    /// Checks both directions of one text.
    pub(crate) fn check(name: &str, text: &str, value: serde_json::Value) {
        assert_eq!(decode(name, text), Ok(Some(value.clone())), "{text}");
        assert_eq!(encode(name, value.clone()).as_deref(), Ok(text), "{value}");
    }

    #[test]
    fn names_and_options_that_do_not_exist_are_refused() {
        let refused = codec("jsn", Options::default()).unwrap_err();
        assert!(refused.what.starts_with("unknown codec \"jsn\"; there are binary, "), "{refused}");
        let serde_json::Value::Object(map) = json!({"mode": "upside-down"}) else { unreachable!("it is a table") };
        assert_eq!(codec("json", map.into()).unwrap_err().key, "json.mode");
        let serde_json::Value::Object(map) = json!({"mode": "sorted"}) else { unreachable!("it is a table") };
        assert_eq!(
            codec("string", map.into()).unwrap_err().to_string(),
            "string.mode: unknown key; there is none to set here"
        );
    }
}
