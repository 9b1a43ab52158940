//! Text, and nothing about it.

use super::{Codec, Undecodable, Unencodable, Value};
use crate::connector::stage::Piece;

/// The codec `string`.
#[derive(Clone, Copy, Debug)]
pub struct Text;

impl Codec for Text {
    fn decode(&mut self, piece: &Piece, _: u64) -> Result<Option<Value>, Undecodable> {
        match std::str::from_utf8(&piece.bytes) {
            Ok(_) => Ok(Some(Value::Text(piece.bytes.clone()))),
            Err(e) => Err(Undecodable { codec: "string", why: e.to_string() }),
        }
    }

    fn encode(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        out.extend_from_slice(&value.to_bytes());
        Ok(())
    }

    fn content_type(&self) -> &'static str {
        "text/plain"
    }

    fn passes_bytes(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::connector::codec::testing::{check, decode, encode};

    #[test]
    fn texts_are_raw_and_anything_else_is_json() {
        check("string", "snot \"badger\"", json!("snot \"badger\""));
        check("string", "", json!(""));
        assert_eq!(encode("string", json!({"a": 1})).as_deref(), Ok("{\"a\":1}"));
        assert!(decode("string", b"\xff").unwrap_err().starts_with("frame is not string: invalid utf-8"));
    }
}
