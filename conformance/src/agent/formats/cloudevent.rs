//! `cloudevent`: as `json`, with events of version 0.1.

use serde_json::{Value, json};

use super::{document, parsed, speaking, steps};
use crate::agent::stage::{Deployed, Stage, fault, sight};
use crate::case::Entry;
use crate::check::{Run, holds};
use crate::wire::{Answer, Request};

/// By this a caller says that what it sends is an event.
const EVENT: &str = "application/cloudevents+json";

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        166,
        "cloudevent: the event of a call",
        "A call over HTTP is an event of version 0.1 with its body as data; without a body there is no data.",
        |stage| {
            let function = speaking(stage, "cloudevent")?;
            let path = function.trigger("/events")?;
            let host = stage.address.to_string();
            let post = Request::plain("POST", &path, &host).header("Content-Type", "application/json");
            let answer = stage.ask(&post.body("{\"name\": \"Ada\"}"))?;
            let id = answer.header("fn-call-id").unwrap_or_default().to_owned();
            let text = sight(&answer)?.document;
            holds!(text.ends_with("}\n"), "the event does not end with its object and the end of a line: {text:?}");
            let event = parsed(&text, "the event")?;
            let url = format!("http://{host}{path}");
            for (found, wanted) in [
                (&event["cloudEventsVersion"], json!("0.1")),
                (&event["eventID"], json!(id)),
                (&event["source"], json!(url)),
                (&event["eventType"], json!("http")),
                (&event["eventTypeVersion"], json!("")),
                (&event["schemaURL"], json!("")),
                (&event["contentType"], json!("application/json")),
                (&event["data"], json!({ "name": "Ada" })),
                (&event["extensions"]["protocol"]["type"], json!("http")),
                (&event["extensions"]["protocol"]["method"], json!("POST")),
                (&event["extensions"]["protocol"]["request_url"], json!(url)),
                (&event["extensions"]["protocol"]["headers"]["Content-Type"], json!(["application/json"])),
            ] {
                holds!(*found == wanted, "a member of the event is {found}, and must be {wanted}: {text}");
            }
            for moment in [&event["eventTime"], &event["extensions"]["deadline"]] {
                holds!(moment.as_str().is_some_and(|text| text.contains('T')), "{moment} is no time, in {text}");
            }
            let text = sight(&stage.ask(&Request::plain("GET", &path, &host))?)?.document;
            let event = parsed(&text, "the event of a GET")?;
            holds!(event.get("data").is_none(), "a call without a body has data: {text}");
            Ok(())
        },
    ),
    Entry::must(
        167,
        "cloudevent: a caller's own event",
        "An event of the caller's is passed on with its extensions, and protocol and deadline added; its answer is the \
         function's whole event.",
        |stage| {
            let function = speaking(stage, "cloudevent")?;
            let sent = json!({
                "cloudEventsVersion": "0.1", "eventID": "mine-7", "source": "/mine", "eventType": "own.type",
                "contentType": "text/plain", "extensions": { "mine": { "deep": 1 } }, "data": "mine",
            });
            let request = function.request(sent.to_string()).with("Content-Type", EVENT);
            let answer = stage.ask(&request)?.is(200, "a caller's event")?;
            let came = parsed(&String::from_utf8_lossy(&answer.body), "the answer to an event")?;
            holds!(came["source"] == "witness", "the answer to an event is not the function's whole event: {came}");
            let seen = came["data"].as_str().unwrap_or_default();
            let seen: Value = parsed(seen, "what the witness saw")?;
            let text = seen["document"].as_str().unwrap_or_default().to_owned();
            let event = parsed(&text, "the event")?;
            for member in ["eventID", "source", "eventType", "contentType", "data"] {
                holds!(
                    event[member] == sent[member],
                    "{member} of the caller's event came as {}: {text}",
                    event[member]
                );
            }
            let extensions = &event["extensions"];
            holds!(extensions["mine"] == json!({ "deep": 1 }), "the caller's extension came as {}", extensions["mine"]);
            for added in ["protocol", "deadline"] {
                holds!(extensions.get(added).is_some(), "the extensions lack {added}: {text}");
            }
            Ok(())
        },
    ),
    Entry::must(
        168,
        "cloudevent: the answer to a plain caller",
        "Of an event that answers a plain call the caller gets data: as JSON, or the text that it is.",
        |stage| {
            let function = speaking(stage, "cloudevent")?;
            for (content_type, data, body) in
                [("application/json", json!({ "a": [1] }), "{\"a\":[1]}"), ("text/plain", json!("a < b"), "a < b")]
            {
                let answer = event(
                    content_type,
                    &data,
                    &json!({ "protocol": {
                    "status_code": 201, "headers": { "X-Own": ["1"] },
                } }),
                );
                let answer = answered(&function, &answer)?.is(201, "the function's status")?;
                let came = String::from_utf8_lossy(&answer.body).trim_end().to_owned();
                holds!(came == body, "data {data} of the type {content_type} came as {came:?}");
                let found = answer.header("content-type").unwrap_or("absent");
                holds!(found.starts_with(content_type), "contentType {content_type} came as {found}");
                holds!(answer.all("x-own") == ["1"], "X-Own came as {:?}", answer.all("x-own"));
            }
            Ok(())
        },
    ),
    Entry::better(
        169,
        "cloudevent: an answer of another shape",
        "Extensions or data of another shape are told as 502, and the agent lives on.",
        |stage| {
            let function = speaking(stage, "cloudevent")?;
            for (data, extensions) in [
                (json!("hi"), json!({ "protocol": "http" })),
                (json!("hi"), json!({ "protocol": { "headers": { "X-Own": [1] } } })),
                (json!("hi"), json!({ "protocol": { "headers": ["X-Own"] } })),
                (json!("hi"), json!({ "protocol": { "status_code": "200" } })),
                (json!({ "a": 1 }), json!({})),
            ] {
                let answer = event("text/plain", &data, &extensions);
                fault(&answered(&function, &answer)?, 502, &[])?;
                function.container()?;
            }
            Ok(())
        },
    ),
];

fn event(content_type: &str, data: &Value, extensions: &Value) -> Value {
    json!({
        "cloudEventsVersion": "0.1", "eventID": "1", "source": "witness", "eventType": "http",
        "contentType": content_type, "data": data, "extensions": extensions,
    })
}

/// A plain call that the witness answers with this event.
fn answered(function: &Deployed<'_>, answer: &Value) -> Run<Answer> {
    function.call(steps(&[document(answer)]))
}
