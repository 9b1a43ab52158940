//! Nothing: whatever comes says nothing, and whatever goes is empty.

use super::{Codec, Undecodable, Unencodable, Value};
use crate::connector::stage::Piece;

/// The codec `null`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Null;

impl Codec for Null {
    fn decode(&mut self, _: &Piece, _: u64) -> Result<Option<Value>, Undecodable> {
        Ok(Some(Value::Tree(serde_json::Value::Null)))
    }

    fn encode(&mut self, _: &Value, _: &mut Vec<u8>) -> Result<(), Unencodable> {
        Ok(())
    }

    fn content_type(&self) -> &'static str {
        ""
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::connector::codec::testing::{decode, encode};

    #[test]
    fn everything_is_nothing() {
        assert_eq!(decode("null", "anything"), Ok(Some(json!(null))));
        assert_eq!(encode("null", json!({"a": 1})).as_deref(), Ok(""));
    }
}
