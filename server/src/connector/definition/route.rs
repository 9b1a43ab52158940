//! Whom an event calls, and where what comes of it goes.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value as Tree;

use crate::connector::options::{Invalid, Options};

/// Whom an event calls.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Callee {
    /// A service of commands, by the command's name.
    Command(String),
    /// The function that the event itself names.
    Field {
        /// Where in the event: `$.fn`.
        from: String,
        /// What stands before the name.
        prefix: String,
    },
    /// A function: `APP/NAME`, or its id.
    Function(String),
    /// Nobody: the event is what comes of it.
    Passthrough,
}

impl Callee {
    pub(super) fn read(options: &mut Options) -> Result<Self, Invalid> {
        match options.take("call") {
            None => Ok(Self::Passthrough),
            Some(Tree::String(text)) => Ok(match text.strip_prefix("command:") {
                Some("") => return Err(Invalid::new("call", "write \"command:NAME\"")),
                Some(name) => Self::Command(name.to_owned()),
                None if text == "passthrough" => Self::Passthrough,
                None if text.is_empty() => {
                    return Err(Invalid::new("call", "it is empty; \"passthrough\" calls nobody"));
                }
                None => Self::Function(text),
            }),
            Some(Tree::Object(map)) => Self::field(map.into()).map_err(|e| e.within("call")),
            Some(other) => Err(Invalid::new("call", format!("{other} is neither a name nor a table with from"))),
        }
    }

    fn field(mut options: Options) -> Result<Self, Invalid> {
        let from = options.text("from")?.ok_or_else(|| Invalid::new("from", "it is needed, such as \"$.fn\""))?;
        let prefix = options.text("prefix")?.unwrap_or_default();
        options.finish()?;
        Ok(Self::Field { from, prefix })
    }
}

/// Where what comes of an event goes.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Target {
    /// A client connector of this name.
    Connector(String),
    /// Nowhere.
    Discard,
    /// To the end of a file.
    File(PathBuf),
    /// A function, as an event of its own; only for troubles.
    Function(String),
    /// The connection that it came from, or the one it names.
    Reply,
    /// Standard output.
    Stdout,
}

impl Target {
    /// A list of them; nothing is the same as `["reply"]` for `to`.
    pub(super) fn list(options: &mut Options, key: &str) -> Result<Vec<Self>, Invalid> {
        let Some(values) = options.list(key) else {
            return Ok(if key == "to" { vec![Self::Reply] } else { Vec::new() });
        };
        values.into_iter().map(|value| Self::read(&value)).collect::<Result<_, _>>().map_err(|e| Invalid::new(key, e))
    }

    fn read(value: &Tree) -> Result<Self, String> {
        let unknown = || {
            format!(
                "unknown target {value}; there are reply, discard, stdout, file:PATH, function:ID, a connector's name"
            )
        };
        let text = value.as_str().ok_or_else(unknown)?;
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("function", id)) if !id.is_empty() => Ok(Self::Function(id.to_owned())),
            Some(_) => Err(unknown()),
            None => Ok(match text {
                "" => return Err(unknown()),
                "discard" => Self::Discard,
                "reply" => Self::Reply,
                "stdout" => Self::Stdout,
                name => Self::Connector(name.to_owned()),
            }),
        }
    }
}

/// Whom a reply may name as its receiver.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PeerScope {
    /// Any connection of the connector.
    Any,
    /// Nobody but the one the event came from.
    Own,
}

impl PeerScope {
    pub(super) fn read(options: &mut Options) -> Result<Self, Invalid> {
        match options.text("peer_scope")?.as_deref() {
            None | Some("own") => Ok(Self::Own),
            Some("any") => Ok(Self::Any),
            Some(other) => Err(Invalid::new("peer_scope", format!("{other:?} is neither \"own\" nor \"any\""))),
        }
    }
}

/// Many events, one call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Batch {
    /// Events at most. Default 100.
    pub events_max: usize,
    /// Bytes at most. Default 256 KiB.
    pub bytes_max: usize,
    /// How long the first event waits for others. Default 20 ms.
    pub wait_max: Duration,
    /// How they stand behind each other.
    pub form: BatchForm,
}

/// How the events of a batch stand behind each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BatchForm {
    /// As one JSON array.
    Array,
    /// A line of JSON each.
    Lines,
}

impl Batch {
    pub(super) fn read(options: &mut Options) -> Result<Option<Self>, Invalid> {
        let Some(table) = options.table("batch")? else { return Ok(None) };
        Self::of(table).map(Some).map_err(|e| e.within("batch"))
    }

    fn of(mut options: Options) -> Result<Self, Invalid> {
        let events_max = options.number("max_events", 1..=65_536)?.unwrap_or(100);
        let wait_ms = options.number("max_wait_ms", 0..=60_000)?.unwrap_or(20);
        let form = match options.text("format")?.as_deref() {
            None | Some("array") => BatchForm::Array,
            Some("ndjson") => BatchForm::Lines,
            Some(other) => {
                return Err(Invalid::new("format", format!("{other:?} is neither \"array\" nor \"ndjson\"")));
            }
        };
        let bytes_max = options.size("max_bytes", 1..=1 << 30)?.unwrap_or(256 << 10);
        options.finish()?;
        Ok(Self {
            events_max: usize::try_from(events_max).unwrap_or(usize::MAX),
            bytes_max,
            wait_max: Duration::from_millis(wait_ms),
            form,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::connector::definition::testing::definition;

    use super::*;

    #[test]
    fn events_call_a_function_a_command_or_nobody() {
        for (given, callee) in [
            (json!("app/fn"), Callee::Function("app/fn".to_owned())),
            (json!("command:wc"), Callee::Command("wc".to_owned())),
            (json!("passthrough"), Callee::Passthrough),
            (
                json!({"from": "$.fn", "prefix": "app/"}),
                Callee::Field { from: "$.fn".to_owned(), prefix: "app/".to_owned() },
            ),
        ] {
            assert_eq!(definition(json!({"call": given})).call, callee);
        }
    }

    #[test]
    fn what_comes_of_them_goes_to_targets() {
        let to = definition(json!({"to": ["reply", "file:a.log", "stdout", "discard", "other"]})).to;
        let expected = [
            Target::Reply,
            Target::File("a.log".into()),
            Target::Stdout,
            Target::Discard,
            Target::Connector("other".to_owned()),
        ];
        assert_eq!(to, expected);
        assert_eq!(definition(json!({})).to, [Target::Reply]);
    }
}
