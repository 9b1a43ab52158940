//! `json`: a document for each call, and one for each answer.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{document, parsed, speaking, steps};
use crate::agent::answers::{kept, replaced};
use crate::agent::stage::{Deployed, Stage, fault, sight};
use crate::case::Entry;
use crate::check::{Run, holds};
use crate::wire::{Answer, Request};

/// What documents say is escaped in them, and what is no text.
const BODY: &[u8] = b"<a href=\"x\">&\xff\n";
const ESCAPED: &str = r#""body":"\u003ca href=\"x\"\u003e\u0026\ufffd\n""#;
/// The members, in their order.
const MEMBERS: [&str; 5] = ["call_id", "deadline", "body", "content_type", "protocol"];
const OF_PROTOCOL: [&str; 4] = ["type", "method", "request_url", "headers"];
/// Long enough for what a function writes after its answer, by then.
const AFTERWARDS: Duration = Duration::from_millis(400);

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        160,
        "json: the request",
        "One object and the end of a line, its members in the order of the contract, <, > and & escaped, the body \
         always there.",
        request,
    ),
    Entry::must(
        161,
        "json: the answer",
        "Status, headers and body are the caller's; content_type counts before a Content-Type among the headers.",
        |stage| {
            let function = speaking(stage, "json")?;
            let answer = answered(
                &function,
                &json!({
                    "body": "{\"a\":1}", "content_type": "text/x-own",
                    "protocol": { "status_code": 418, "headers": { "X-Own": ["1", "2"], "Content-Type": ["text/other"] } },
                }),
            )?;
            let answer = answer.is(418, "the function's status")?;
            holds!(answer.body == b"{\"a\":1}", "the body came as {}", answer.brief());
            holds!(answer.all("x-own") == ["1", "2"], "X-Own came as {:?}", answer.all("x-own"));
            let found = answer.all("content-type");
            holds!(found == ["text/x-own"], "with content_type text/x-own the caller sees Content-Type {found:?}");
            for empty in [json!({}), json!({ "Body": null, "another": 1 })] {
                let answer = answered(&function, &empty)?.is(200, &format!("the answer {empty}"))?;
                holds!(answer.body.is_empty(), "the answer {empty} came as {}", answer.brief());
            }
            Ok(())
        },
    ),
    Entry::must(
        162,
        "json: an answer of another shape",
        "What is no such object is told as 502, and the container is replaced.",
        |stage| {
            let function = speaking(stage, "json")?;
            for shape in [
                json!({ "body": 1 }),
                json!({ "body": { "a": 1 } }),
                json!({ "protocol": { "status_code": "200" } }),
                json!({ "protocol": { "headers": { "X-Own": "1" } } }),
                json!([1]),
                json!("text"),
            ] {
                let before = function.container()?;
                fault(&answered(&function, &shape)?, 502, &["invalid"])?;
                replaced(&function, &before, &format!("the answer {shape}"))?;
            }
            for cut in [r#"send {"body": "half"#, "send "] {
                let before = function.container()?;
                fault(&function.steps(&[cut, "close"])?, 502, &["invalid", "response"])?;
                replaced(&function, &before, "an answer that was cut")?;
            }
            Ok(())
        },
    ),
    Entry::must(
        163,
        "json: white space after an answer",
        "It belongs to nothing, and the container is kept.",
        |stage| {
            let function = speaking(stage, "json")?;
            let before = function.container()?;
            for space in ["%0a%0a", " %09%0d%0a", "%20%0a"] {
                let answer = format!("send {{\"body\": \"hi\"}}{space}");
                let answer = function.steps(&[&answer])?.is(200, "an answer with white space after it")?;
                holds!(answer.body == b"hi", "it came as {}", answer.brief());
            }
            kept(&function, &before, "white space after an answer")
        },
    ),
    Entry::must(
        164,
        "json: other bytes after an answer",
        "The answer is delivered, and the container is replaced.",
        |stage| {
            let function = speaking(stage, "json")?;
            let before = function.container()?;
            let answer = function.steps(&["send {\"body\": \"hi\"} {\"body\": \"forged\"}%0a"])?;
            let answer = answer.is(200, "an answer with more after it")?;
            holds!(answer.body == b"hi", "it came as {}", answer.brief());
            replaced(&function, &before, "bytes after an answer")
        },
    ),
    Entry::better(
        165,
        "json: bytes that come late",
        "Bytes that nobody asked for, written after an answer, are noticed before the next call: it gets another container.",
        |stage| {
            let function = speaking(stage, "json")?;
            let before = function.container()?;
            // As soon after the answer as they are not part of it: later it may be frozen.
            let late = format!("write-later 10 {}%0a", json!({ "body": "forged" }));
            function.steps(&["ok", &late])?.is(200, "the answer before late bytes")?;
            // The pause is the case.
            thread::sleep(AFTERWARDS);
            replaced(&function, &before, "bytes that came after its answer")
        },
    ),
];

fn request(stage: &Stage) -> Run {
    let function = speaking(stage, "json")?;
    let path = function.trigger("/documents")?;
    let host = stage.address.to_string();
    let post = Request::plain("POST", &path, &host)
        .header("content-type", "text/x-own")
        .header("x-twice", "1")
        .header("x-twice", "2");
    let answer = stage.ask(&post.body(BODY))?;
    let id = answer.header("fn-call-id").unwrap_or_default().to_owned();
    let text = sight(&answer)?.document;
    holds!(text.ends_with("}\n"), "the request does not end with its object and the end of a line: {text:?}");
    holds!(!text.trim_end().contains('\n'), "the request is more than one line: {text:?}");
    in_order(&text, &MEMBERS)?;
    in_order(&text, &OF_PROTOCOL)?;
    holds!(text.contains(ESCAPED), "the body {BODY:?} must be written {ESCAPED}, in {text}");
    let sent = parsed(&text, "the request")?;
    let count = sent.as_object().map_or(0, serde_json::Map::len);
    holds!(count == MEMBERS.len(), "the request has {count} members, not {}: {text}", MEMBERS.len());
    let deadline = sent["deadline"].as_str().unwrap_or_default();
    let millis = deadline.split_once('.').map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
    holds!(millis == 3, "the deadline {deadline:?} is not written with milliseconds");
    for (found, wanted) in [
        (&sent["call_id"], json!(id)),
        (&sent["content_type"], json!("text/x-own")),
        (&sent["protocol"]["type"], json!("http")),
        (&sent["protocol"]["method"], json!("POST")),
        (&sent["protocol"]["request_url"], json!(format!("http://{host}{path}"))),
        (&sent["protocol"]["headers"]["X-Twice"], json!(["1", "2"])),
        (&sent["protocol"]["headers"]["Content-Type"], json!(["text/x-own"])),
    ] {
        holds!(*found == wanted, "a member of the request is {found}, and must be {wanted}: {text}");
    }
    let get = sight(&stage.ask(&Request::plain("GET", &path, &host))?)?.document;
    let sent = parsed(&get, "the request of a GET")?;
    holds!(sent["protocol"]["method"] == "GET", "the method of a GET is {}", sent["protocol"]["method"]);
    for (member, wanted) in [("body", ""), ("content_type", "")] {
        holds!(sent[member] == wanted, "of a GET {member} is {}, and must be \"\"", sent[member]);
    }
    Ok(())
}

/// These members stand in this order.
pub(super) fn in_order(text: &str, members: &[&str]) -> Run {
    let mut from = 0;
    for member in members {
        let name = format!("\"{member}\":");
        let at = text[from..].find(&name);
        holds!(at.is_some(), "the member {member} is missing, or not behind the one before it, in {text}");
        from += at.unwrap_or_default();
    }
    Ok(())
}

fn answered(function: &Deployed<'_>, answer: &Value) -> Run<Answer> {
    function.call(steps(&[document(answer)]))
}
