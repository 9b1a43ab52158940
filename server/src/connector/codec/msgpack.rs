//! MessagePack, one value a frame, written in its smallest forms.

use serde::Deserialize as _;
use serde_json::Value as Tree;

use super::{Codec, Undecodable, Unencodable, Value};
use crate::connector::stage::Piece;

/// How deep arrays and maps may lie in each other.
const DEPTH_MAX: usize = 128;

/// The codec `msgpack`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Msgpack;

impl Codec for Msgpack {
    fn decode(&mut self, piece: &Piece, _: u64) -> Result<Option<Value>, Undecodable> {
        let undecodable = |why: String| Undecodable { codec: "msgpack", why };
        let mut left = &piece.bytes[..];
        let mut decoder = rmp_serde::Deserializer::new(&mut left);
        decoder.set_max_depth(DEPTH_MAX);
        let tree = Tree::deserialize(&mut decoder).map_err(|e| undecodable(e.to_string()))?;
        match left.len() {
            0 => Ok(Some(Value::Tree(tree))),
            more => Err(undecodable(format!("{more} bytes after the value"))),
        }
    }

    fn encode(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        rmp_serde::encode::write(out, &*value.to_tree())
            .map_err(|e| Unencodable { codec: "msgpack", why: e.to_string() })
    }

    fn content_type(&self) -> &'static str {
        "application/msgpack"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connector::codec::testing::decode;

    fn check(tree: Tree, bytes: &[u8]) {
        let mut out = Vec::new();
        Msgpack.encode(&Value::Tree(tree.clone()), &mut out).unwrap();
        assert_eq!(out, bytes, "{tree}");
        assert_eq!(decode("msgpack", bytes), Ok(Some(tree)));
    }

    /// Cases 7 and 9.
    #[test]
    fn values_take_their_smallest_form() {
        check(json!({"snot": "badger"}), b"\x81\xa4snot\xa6badger");
        check(json!([1, -1, 300, null, true]), b"\x95\x01\xff\xcd\x01\x2c\xc0\xc3");
        check(json!(1.5), b"\xcb\x3f\xf8\0\0\0\0\0\0");
    }

    #[test]
    fn what_breaks_off_or_goes_on_is_an_error() {
        for bytes in [&b""[..], b"\x81\xa4sn", b"\xc0\xc0", &[0x91; 1000], b"\xdd\xff\xff\xff\xff\x01"] {
            assert!(decode("msgpack", bytes).is_err(), "{bytes:x?}");
        }
    }
}
