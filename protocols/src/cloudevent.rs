//! One CloudEvent a call, one a reply, over stdin and stdout.
//!
//! ```json
//! {"cloudEventsVersion":"0.1","eventID":"01J…","source":"http://h/t/app/hello","eventType":"http","eventTypeVersion":"","eventTime":"2026-11-21T03:04:05.678Z","schemaURL":"","contentType":"application/json","extensions":{"deadline":"2026-11-21T03:04:35.678Z","protocol":{"type":"http","method":"POST","request_url":"http://h/t/app/hello","headers":{}}},"data":{"name":"Ada"}}
//! {"cloudEventsVersion":"0.1","contentType":"text/plain","extensions":{"protocol":{"status_code":200,"headers":{}}},"data":"Hello Ada"}
//! ```
//!
//! A body is the event's `data`, and that is a JSON *value*: JSON travels as what it is, text as a
//! string, nothing as no `data` at all, and anything else not at all. Who calls with an event
//! (`application/cloudevents+json`) has it passed on, with what the platform adds among its
//! extensions, and gets the function's whole event for an answer; everybody else gets the `data`.
//!
//! We write events of version 0.1, which this format was made of, and read those of 1.0 as well as
//! far as they say the same: its `data_base64` they do not, and its attributes of other names are
//! lost. Values that are only passed on are never taken apart, so a number keeps all its digits.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use self::event::{Carried, Event, Written};
use self::media::Media;
use crate::json::protocol;
use crate::stdio::{self, Dialect, Shell};
use crate::{
    Arrival, Call, ContainerIo, Due, Exiting, Fault, Head, Intent, Kind, Limits, ReplySink, Reuse, Stdin, Stdout, Text,
    Verdict, document, sniff,
};

mod event;
mod media;
#[cfg(test)]
mod tests;

/// The name of this format.
pub const NAME: &str = "cloudevent";

/// The agent's end.
#[derive(Debug)]
pub struct CloudEvent(Shell<Wire>);

impl CloudEvent {
    /// Takes a container's ends. Only a cold format waits for the exit.
    #[must_use]
    pub fn new(stdin: Box<dyn Stdin>, stdout: Box<dyn Stdout>, _exit: Exiting, limits: Limits) -> Self {
        Self(Shell::new(stdin, stdout, limits))
    }
}

impl ContainerIo for CloudEvent {
    fn is_streamable(&self) -> bool {
        true
    }

    fn look(&mut self) -> Reuse {
        self.0.look()
    }

    async fn dispatch(&mut self, call: &mut Call, sink: ReplySink) -> Verdict {
        self.0.dispatch(call, sink).await
    }
}

#[derive(Debug)]
struct Wire;

impl Dialect for Wire {
    const NAME: &'static str = NAME;
    type Asked = Caller;

    fn encode(call: &Call, body: &[u8]) -> Result<(Vec<u8>, Caller), Fault> {
        Ok((encode_call(call, body, SystemTime::now())?, Caller::of(call)))
    }

    fn decode(caller: Caller, document: Bytes, limits: &Limits) -> Result<(Head, Bytes), Fault> {
        decode_reply(&document, caller, limits)
    }
}

/// What a caller sent, and so expects to get.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Caller {
    /// An event.
    Event,
    /// A body.
    Plain,
}

impl Caller {
    /// Whoever made `call`.
    #[must_use]
    pub fn of(call: &Call) -> Self {
        match Media::of(&content_type(&call.headers)) {
            Media::Event => Self::Event,
            _ => Self::Plain,
        }
    }
}

/// The agent's request: an event and a newline. `body` is that of `call`, gathered; `now` is when.
///
/// # Errors
/// `call_unsupported` when the body is neither JSON nor text, claims to be an event and is none, or is
/// nested too deep.
/// Text of which nobody said that it is has the type its bytes show.
pub fn encode_call(call: &Call, body: &[u8], now: SystemTime) -> Result<Vec<u8>, Fault> {
    let mut protocol = Vec::new();
    protocol::push_call(&mut protocol, call);
    let protocol = String::from_utf8(protocol).expect("JSON is text");
    let deadline = call.deadline.map(|d| format!("\"{}\"", d.to_rfc3339_millis()));
    let mut ours = BTreeMap::from([(PROTOCOL, protocol.as_str())]);
    ours.extend(deadline.as_deref().map(|deadline| (DEADLINE, deadline)));

    let content_type = content_type(&call.headers);
    let text = String::from_utf8_lossy(body);
    if Media::of(&content_type) == Media::Event {
        return pass_on(call, &text, ours, &time_of(now));
    }
    let (content_type, data) = match (body, serde_json::from_str::<&RawValue>(&text)) {
        ([], _) => (&*content_type, Carried::None),
        (_, Ok(json)) => (&*content_type, Carried::Json(json.get())),
        (_, Err(_)) => {
            let shown = if content_type.is_empty() { sniff::content_type(body) } else { &*content_type };
            if Media::of(shown) != Media::Text {
                return Err(unsupported(format!("body is no JSON, and {shown:?} is no text")));
            }
            (shown, Carried::Text(body))
        }
    };
    let event = Written {
        id: call.id.as_str(),
        source: &call.url,
        kind: "http",
        kind_version: "",
        time: &time_of(now),
        schema_url: "",
        content_type,
        extensions: ours,
        data,
    };
    line(&event)
}

/// The caller's event, with `ours` among its extensions. Nobody but us says what is in those.
fn pass_on(call: &Call, text: &str, ours: BTreeMap<&str, &str>, now: &str) -> Result<Vec<u8>, Fault> {
    let event: Event<'_> = serde_json::from_str(text)
        .map_err(|e| unsupported(format!("body is no event: {}", stdio::shortened(&e.to_string()))))?;
    if event.data_base64.is_some() {
        return Err(unsupported("data_base64 cannot be carried".to_owned()));
    }
    let theirs = event.extensions.iter().flatten().map(|(name, value)| (name.as_str(), value.get()));
    let mut extensions: BTreeMap<_, _> =
        theirs.filter(|(name, _)| !ours.keys().any(|our| our.eq_ignore_ascii_case(name))).collect();
    extensions.extend(ours);
    let event = Written {
        id: event.id.as_deref().unwrap_or(call.id.as_str()),
        source: event.source.as_deref().unwrap_or_default(),
        kind: event.kind.as_deref().unwrap_or_default(),
        kind_version: event.kind_version.as_deref().unwrap_or_default(),
        time: event.time.as_deref().unwrap_or(now),
        schema_url: event.schema_url.as_deref().unwrap_or_default(),
        content_type: event.content_type.as_deref().unwrap_or_default(),
        extensions,
        data: event.data.0.map_or(Carried::None, |json| Carried::Json(json.get())),
    };
    line(&event)
}

/// The event, unless it is one that the function's end of this format would refuse: no caller's
/// nesting shall cost a container.
fn line(event: &Written<'_>) -> Result<Vec<u8>, Fault> {
    let line = event.to_line();
    if document::is_too_deep(&line) {
        return Err(unsupported(format!("body is nested deeper than {} levels", document::DEPTH_MAX)));
    }
    Ok(line)
}

/// The function's reading of a request. As in the format `json` it is an HTTP request in full:
/// [`Intent::Gateway`]. Its body is the event's `data`: the string itself where the type is text and
/// the value a string, else the value as JSON.
///
/// # Errors
/// When it is no event. The next document may be one.
pub fn decode_call(document: &[u8]) -> Result<Arrival, BadCall> {
    let text = document::text(document);
    let event: Event<'_> = serde_json::from_str(&text)?;
    let deadline = event.extension(DEADLINE).and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    let protocol =
        event.extension(PROTOCOL).and_then(|raw| serde_json::from_str::<protocol::Asked<'_>>(raw.get()).ok());
    let intent = if protocol.is_some() { Intent::Gateway } else { Intent::Invoke };
    let content_type = event.content_type.as_deref().unwrap_or_default();
    let (method, url, headers) = protocol.unwrap_or_default().into_parts(Some(content_type));
    let body = event.data.0.map(RawValue::get).unwrap_or_default();
    let string = match Media::of(content_type) {
        Media::Text => serde_json::from_str::<String>(body).ok(),
        Media::Event | Media::Json | Media::Other => None,
    };
    Ok(Arrival {
        due: deadline.map_or(Due::Never, Due::told),
        intent,
        method,
        url,
        headers: headers.into(),
        body: string.unwrap_or_else(|| body.to_owned()).into(),
        call_id: event.id.filter(|id| !id.is_empty()).map(Text::from),
    })
}

/// A request that a function cannot read.
#[derive(Debug, thiserror::Error)]
#[error("invalid cloudevent request")]
pub struct BadCall(#[from] serde_json::Error);

/// The function's answer: an event and a newline. `id` is the event's, by custom the call's; `now` is
/// when.
///
/// Text of a type that an agent does not know to be text is carried as `text/plain`.
///
/// # Errors
/// When this format has no way to say it.
pub fn encode_reply(head: &Head, body: &[u8], id: &str, now: SystemTime) -> Result<Vec<u8>, Unspeakable> {
    let content_type = content_type(&head.headers);
    let text = std::str::from_utf8(body);
    let (content_type, data) = match (body, Media::of(&content_type), text) {
        ([], ..) => (&*content_type, Carried::None),
        (_, Media::Event | Media::Json, text) => {
            let json = text.ok().and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
            (&*content_type, Carried::Json(json.ok_or(Unspeakable::NotJson)?.get()))
        }
        (_, Media::Text, _) => (&*content_type, Carried::Text(body)),
        (_, Media::Other, Ok(_)) => ("text/plain", Carried::Text(body)),
        (_, Media::Other, Err(_)) => return Err(Unspeakable::Binary),
    };
    let mut protocol = Vec::new();
    protocol::push_reply(&mut protocol, head);
    let protocol = String::from_utf8(protocol).expect("JSON is text");
    let event = Written {
        id,
        source: "",
        kind: "http",
        kind_version: "",
        time: &time_of(now),
        schema_url: "",
        content_type,
        extensions: BTreeMap::from([(PROTOCOL, protocol.as_str())]),
        data,
    };
    Ok(event.to_line())
}

/// An answer that no event of this format can carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unspeakable {
    /// The bytes are no text.
    #[error("the format cloudevent carries JSON and text, the answer is neither")]
    Binary,
    /// The type says JSON, the bytes are none.
    #[error("the answer's type is JSON, its body is not")]
    NotJson,
}

/// The agent's reading of an answer.
///
/// To a caller who sent an event the answer is the whole of the function's, as it was written; to
/// others its `data`. Without data the body is empty.
///
/// # Errors
/// `invalid_response_frame` when it is no event, or one whose parts are not of the type they have;
/// `invalid_response` when its data is of a content type that says neither JSON nor text;
/// `response_headers_too_large`.
pub fn decode_reply(document: &[u8], caller: Caller, limits: &Limits) -> Result<(Head, Bytes), Fault> {
    let text = document::text(document);
    let event: Event<'_> = serde_json::from_str(&text).map_err(|e| stdio::invalid_response(NAME, e))?;
    let protocol: protocol::Answered<'_> = match event.extension(PROTOCOL) {
        Some(raw) => serde_json::from_str(raw.get())
            .map_err(|e| stdio::invalid_response(NAME, format_args!("extensions.protocol: {e}")))?,
        None => protocol::Answered::default(),
    };
    // A number of any kind is a status here; its fraction is dropped.
    let status = protocol.status_code.and_then(|number| number.as_f64()).map(|number| number as i64);
    let content_type = event.content_type.as_deref().unwrap_or_default();
    let mut head = protocol::head(NAME, status, protocol.headers, Some(content_type), limits)?;
    let body = match caller {
        Caller::Event => {
            head.headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static(CONTENT_TYPE));
            let mut whole = Vec::with_capacity(document.len() + 1);
            whole.extend_from_slice(document);
            whole.push(b'\n');
            whole.into()
        }
        Caller::Plain => data(&event, content_type)?,
    };
    Ok((head, body))
}

/// What somebody who knows nothing of events gets of one.
fn data(event: &Event<'_>, content_type: &str) -> Result<Bytes, Fault> {
    let unknown = |why: String| Fault::new(Kind::InvalidResponse).because(why);
    if event.data_base64.is_some() {
        return Err(unknown("an event's data_base64 cannot be carried".to_owned()));
    }
    let Some(data) = event.data.0 else { return Ok(Bytes::new()) };
    // Version 1.0 says that data of no type is JSON; to 0.1 it is unknown.
    let untyped_json = content_type.is_empty() && event.version.as_deref().is_some_and(|v| v.starts_with("1."));
    match Media::of(content_type) {
        Media::Event | Media::Json => Ok(data.get().to_owned().into()),
        Media::Other if untyped_json => Ok(data.get().to_owned().into()),
        Media::Other => Err(unknown(format!("unknown content type {:?}", stdio::shortened(content_type)))),
        Media::Text => serde_json::from_str::<String>(data.get())
            .map(Bytes::from)
            .map_err(|e| stdio::invalid_response(NAME, format_args!("data of type {content_type:?}: {e}"))),
    }
}

/// An event's own content type.
const CONTENT_TYPE: &str = "application/cloudevents+json";

/// The extension that says when the call must have ended.
const DEADLINE: &str = "deadline";

/// The extension that carries what of HTTP there is.
const PROTOCOL: &str = "protocol";

fn content_type(headers: &HeaderMap) -> Cow<'_, str> {
    headers.get(header::CONTENT_TYPE).map_or(Cow::Borrowed(""), |value| String::from_utf8_lossy(value.as_bytes()))
}

fn unsupported(why: String) -> Fault {
    Fault::new(Kind::CallUnsupported).because(why)
}

/// RFC 3339 in UTC, to the millisecond.
fn time_of(now: SystemTime) -> String {
    let now = OffsetDateTime::from(now).truncate_to_millisecond();
    now.format(&Rfc3339).expect("the clock's year has four digits")
}
