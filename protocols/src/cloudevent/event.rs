//! An event as it is read and as it is written.
//!
//! Written is always version 0.1, the one this format was made of. Read is also a structured event
//! of version 1.0, which has other names for the same things.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::json::object::object;
use crate::json::text::{push_compact, push_string};

object! {
    /// An event that came. Members of neither version are lost.
    pub(super) struct Event<'de> {
        version: Option<String> = "cloudEventsVersion" | "specversion",
        id: Option<String> = "eventID" | "id",
        source: Option<String> = "source",
        kind: Option<String> = "eventType" | "type",
        kind_version: Option<String> = "eventTypeVersion",
        time: Option<String> = "eventTime" | "time",
        schema_url: Option<String> = "schemaURL" | "dataschema",
        content_type: Option<String> = "contentType" | "datacontenttype",
        extensions: Option<BTreeMap<String, &'de RawValue>> = "extensions",
        data: Data<'de> = "data",
        /// Only version 1.0 has it: bytes that are neither text nor JSON.
        data_base64: Option<serde::de::IgnoredAny> = "data_base64",
    }
}

/// A value as it was written, to the last digit; `null` is one as well.
#[derive(Debug, Default)]
pub(super) struct Data<'de>(pub(super) Option<&'de RawValue>);

impl<'de> Deserialize<'de> for Data<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Self(Some(raw)))
    }
}

impl<'de> Event<'de> {
    /// The extension of that name, where it says something.
    pub(super) fn extension(&self, name: &str) -> Option<&'de RawValue> {
        let (_, value) = self.extensions.as_ref()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        (value.get() != "null").then_some(*value)
    }
}

/// An event to be written.
#[derive(Debug)]
pub(super) struct Written<'a> {
    pub(super) id: &'a str,
    pub(super) source: &'a str,
    pub(super) kind: &'a str,
    pub(super) kind_version: &'a str,
    pub(super) time: &'a str,
    pub(super) schema_url: &'a str,
    pub(super) content_type: &'a str,
    /// Each a JSON text. Written in order of their names.
    pub(super) extensions: BTreeMap<&'a str, &'a str>,
    pub(super) data: Carried<'a>,
}

/// What an event carries.
#[derive(Clone, Copy, Debug)]
pub(super) enum Carried<'a> {
    /// A JSON text.
    Json(&'a str),
    /// Nothing: there is no such member.
    None,
    /// Text, as a JSON string.
    Text(&'a [u8]),
}

impl Written<'_> {
    /// One line, its end included.
    pub(super) fn to_line(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        out.extend_from_slice(br#"{"cloudEventsVersion":"0.1""#);
        for (name, value) in [
            ("eventID", self.id),
            ("source", self.source),
            ("eventType", self.kind),
            ("eventTypeVersion", self.kind_version),
            ("eventTime", self.time),
            ("schemaURL", self.schema_url),
            ("contentType", self.content_type),
        ] {
            push_next(&mut out, name);
            push_string(&mut out, value.as_bytes());
        }
        push_next(&mut out, "extensions");
        out.push(b'{');
        for (nth, (name, value)) in self.extensions.iter().enumerate() {
            if nth > 0 {
                out.push(b',');
            }
            push_string(&mut out, name.as_bytes());
            out.push(b':');
            push_compact(&mut out, value);
        }
        out.push(b'}');
        match self.data {
            Carried::None => {}
            Carried::Json(json) => {
                push_next(&mut out, "data");
                push_compact(&mut out, json);
            }
            Carried::Text(text) => {
                push_next(&mut out, "data");
                push_string(&mut out, text);
            }
        }
        out.extend_from_slice(b"}\n");
        out
    }
}

fn push_next(out: &mut Vec<u8>, name: &str) {
    out.push(b',');
    push_string(out, name.as_bytes());
    out.push(b':');
}
