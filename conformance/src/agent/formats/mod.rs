//! The formats over standard input and output, as an agent speaks them.
//!
//! Fn's servers of today know `http-stream` alone, so these cases are a suite of their own, for agents
//! that kept the other four, or took them up again. A function says in its member `format` which it
//! speaks. The witness writes back what it read, byte for byte, so that documents can be compared with
//! what the contract shows.

mod cloudevent;
mod cold;
mod hot;
mod http;
mod json;
mod names;

use serde_json::{Value, json};

use super::stage::{Deployed, Stage, script};
use crate::case::Entry;
use crate::check::{Run, Stop};

/// The tables, in the order of their numbers.
pub(super) const CASES: [&[Entry<Stage>]; 6] =
    [names::CASES, cold::CASES, http::CASES, json::CASES, cloudevent::CASES, hot::CASES];

/// The witness, speaking `format`.
fn speaking<'s>(stage: &'s Stage, format: &str) -> Run<Deployed<'s>> {
    stage.deploy_as(&json!({ "format": format }))
}

/// A step that sends a document as it is, and the end of its line.
fn document(document: &Value) -> String {
    raw(&document.to_string())
}

/// A step that sends this text, and the end of a line.
fn raw(text: &str) -> String {
    format!("send {}%0a", text.replace('%', "%25"))
}

/// What a text in JSON is, that a body is.
fn parsed(text: &str, what: &str) -> Run<Value> {
    serde_json::from_str(text).map_err(|e| Stop::broken(format!("{what} is no JSON ({e}): {text:?}")))
}

/// A body of steps.
fn steps(lines: &[String]) -> String {
    script(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}
