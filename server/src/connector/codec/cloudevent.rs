//! CloudEvents 1.0 in JSON, one event a frame.
//!
//! A frame must be an event that names its id, source, type and version; it passes as the JSON it
//! is. What goes out and is no event yet becomes the data of one.

use serde_json::{Value as Tree, json};

use hotfn_protocols::CallId;

use super::{Codec, JsonText, Undecodable, Unencodable, Value, json};
use crate::connector::stage::Piece;

/// The codec `cloudevent`.
#[derive(Clone, Copy, Debug)]
pub(super) struct CloudEvent;

/// What every event has.
const NEEDED: [&str; 4] = ["id", "source", "specversion", "type"];

/// The type of events that were made here.
const TYPE: &str = "hotfn.connector.event";

impl Codec for CloudEvent {
    fn decode(&mut self, piece: &Piece, _: u64) -> Result<Option<Value>, Undecodable> {
        let undecodable = |why: String| Undecodable { codec: "cloudevent", why };
        let checked = json::check(&piece.bytes).map_err(|e| undecodable(e.to_string()))?;
        let text = piece.bytes.slice(checked.span);
        let tree: Tree = serde_json::from_slice(&text).map_err(|e| undecodable(e.to_string()))?;
        if let Some(name) = NEEDED.iter().find(|name| !tree[**name].is_string()) {
            return Err(undecodable(format!("it lacks {name:?}")));
        }
        Ok(Some(Value::Json(JsonText { text, is_compact: checked.is_compact })))
    }

    fn encode(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let tree = value.to_tree();
        if NEEDED.iter().all(|name| tree[*name].is_string()) {
            value.write_json(out);
            return Ok(());
        }
        let mut event = json!({
            "specversion": "1.0",
            "id": CallId::new().as_str(),
            "source": "urn:hotfn:connector",
            "type": TYPE,
        });
        match value {
            Value::Binary(_) => event["data_base64"] = tree.into_owned(),
            _ => event["data"] = tree.into_owned(),
        }
        Value::Tree(event).write_json(out);
        Ok(())
    }

    fn content_type(&self) -> &'static str {
        "application/cloudevents+json"
    }

    fn passes_bytes(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::codec::testing::{check, decode, encode};

    #[test]
    fn an_event_passes_as_it_is() {
        let event = json!({"data": {"n": 1}, "id": "1", "source": "/s", "specversion": "1.0", "type": "t"});
        check("cloudevent", &event.to_string(), event);
        assert_eq!(decode("cloudevent", "{\"id\":\"1\"}").unwrap_err(), "frame is not cloudevent: it lacks \"source\"");
        assert!(decode("cloudevent", "[]").is_err());
    }

    #[test]
    fn what_is_none_becomes_the_data_of_one() {
        let text = encode("cloudevent", json!({"a": 1})).unwrap();
        let event: Tree = serde_json::from_str(&text).unwrap();
        assert_eq!((&event["data"], event["specversion"].as_str()), (&json!({"a": 1}), Some("1.0")));
    }
}
