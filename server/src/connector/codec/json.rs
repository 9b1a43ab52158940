//! JSON, one value a frame.
//!
//! A frame that is JSON stays the text it is: checked, not taken apart. Order of keys and spelling
//! of numbers are kept, and of white space only that inside of texts, so that no value ever holds
//! the line feed that would end it.

mod check;

use serde_json::Value as Tree;

use super::{Codec, JsonText, Undecodable, Unencodable, Value};
use crate::connector::options::{Invalid, Options};
use crate::connector::stage::Piece;

pub use check::{Checked, DEPTH_MAX, NotJson, What, check};

/// The codec `json`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json {
    /// Are keys written in order?
    pub is_sorted: bool,
}

impl Json {
    pub(super) fn read(options: &mut Options) -> Result<Self, Invalid> {
        match options.text("mode")?.as_deref() {
            None | Some("unsorted") => Ok(Self { is_sorted: false }),
            Some("sorted") => Ok(Self { is_sorted: true }),
            Some(other) => {
                Err(Invalid::new("mode", format!("unknown mode {other:?}; it is \"sorted\" or \"unsorted\"")))
            }
        }
    }
}

impl Codec for Json {
    fn decode(&mut self, piece: &Piece, _: u64) -> Result<Option<Value>, Undecodable> {
        let checked = check(&piece.bytes).map_err(|why| Undecodable { codec: "json", why: why.to_string() })?;
        let text = piece.bytes.slice(checked.span);
        Ok(Some(Value::Json(JsonText { text, is_compact: checked.is_compact })))
    }

    fn encode(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        if self.is_sorted {
            write_sorted(&value.to_tree(), out);
        } else {
            value.write_json(out);
        }
        Ok(())
    }

    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn passes_bytes(&self) -> bool {
        true
    }
}

fn write_sorted(tree: &Tree, out: &mut Vec<u8>) {
    match tree {
        Tree::Array(items) => {
            out.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write_sorted(item, out);
            }
            out.push(b']');
        }
        Tree::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            out.push(b'{');
            for (n, (name, field)) in fields.into_iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, name).expect("a text is always JSON");
                out.push(b':');
                write_sorted(field, out);
            }
            out.push(b'}');
        }
        leaf => serde_json::to_writer(out, leaf).expect("a tree is always JSON"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connector::codec::testing::{decode, encode};

    fn through(codec: Json, text: &'static str) -> String {
        let (mut codec, mut out) = (codec, Vec::new());
        let piece = Piece { bytes: text.into(), ingest_ns: None };
        let value = codec.decode(&piece, 0).unwrap().unwrap();
        codec.encode(&value, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_passes_through_keeps_its_words_and_loses_its_white_space() {
        let text = "{ \"b\": 1e3,\n \"a\": \"x y/\u{e9}\" }";
        assert_eq!(through(Json::default(), text), "{\"b\":1e3,\"a\":\"x y/\u{e9}\"}");
        assert_eq!(through(Json { is_sorted: true }, text), "{\"a\":\"x y/\u{e9}\",\"b\":1000.0}");
        assert_eq!(through(Json::default(), " [] "), "[]");
    }

    /// Cases 7 and 9.
    #[test]
    fn trees_are_written_without_white_space() {
        assert_eq!(encode("json", serde_json::from_str("1e3").unwrap()).as_deref(), Ok("1000.0"));
        assert_eq!(encode("json", json!({"a/b": ["\u{e9}", null]})).as_deref(), Ok("{\"a/b\":[\"\u{e9}\",null]}"));
    }

    #[test]
    fn the_last_of_repeated_keys_counts() {
        assert_eq!(decode("json", "{\"a\":1,\"a\":2}"), Ok(Some(json!({"a": 2}))));
    }

    #[test]
    fn what_is_no_json_is_told_where() {
        for (text, why) in [
            (&b""[..], "byte 1: it ends too early"),
            (b"1 2", "byte 3: more than one value"),
            (b"[1,]", "byte 4: unexpected ']'"),
            (b"\"\xff\"", "byte 2: not UTF-8"),
            (b"18446744073709551616", "byte 1: a whole number beyond 64 bits"),
            (b"-9223372036854775809", "byte 1: a whole number beyond 64 bits"),
        ] {
            assert_eq!(decode("json", text), Err(format!("frame is not json: {why}")), "{text:?}");
        }
        for text in ["18446744073709551615", "-9223372036854775808", " {} ", "-0", "1.5e+3", "null"] {
            assert!(decode("json", text).is_ok(), "{text}");
        }
    }
}
