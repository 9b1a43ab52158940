//! Bytes, and nothing about them.

use super::{Codec, Undecodable, Unencodable, Value};
use crate::connector::stage::Piece;

/// The codec `binary`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binary;

impl Codec for Binary {
    fn decode(&mut self, piece: &Piece, _: u64) -> Result<Option<Value>, Undecodable> {
        Ok(Some(Value::Binary(piece.bytes.clone())))
    }

    fn encode(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        out.extend_from_slice(&value.to_bytes());
        Ok(())
    }

    fn content_type(&self) -> &'static str {
        "application/octet-stream"
    }

    fn passes_bytes(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connector::codec::testing::encode;

    #[test]
    fn bytes_stay_what_they_are() {
        let piece = Piece { bytes: vec![0, 255, b'\n'].into(), ingest_ns: None };
        let value = Binary.decode(&piece, 0).unwrap().unwrap();
        let mut out = Vec::new();
        Binary.encode(&value, &mut out).unwrap();
        assert_eq!(out, [0, 255, b'\n']);
        assert_eq!(encode("binary", json!("raw")).as_deref(), Ok("raw"));
        assert_eq!(encode("binary", json!([1])).as_deref(), Ok("[1]"));
    }
}
