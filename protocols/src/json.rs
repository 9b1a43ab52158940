//! One JSON document a call, one a reply, over stdin and stdout.
//!
//! The agent writes a line, the function answers with a document:
//!
//! ```json
//! {"call_id":"01J…","deadline":"2026-11-21T03:04:05.678Z","body":"{\"name\":\"Ada\"}","content_type":"application/json","protocol":{"type":"http","method":"POST","request_url":"http://h/t/app/hello","headers":{"Content-Type":["application/json"]}}}
//! {"body":"Hello Ada","content_type":"text/plain","protocol":{"status_code":200,"headers":{"X-Lang":["en"]}}}
//! ```
//!
//! A body is a *string*, so this format carries text: what is not UTF-8 arrives with U+FFFD in its
//! place, and a JSON body is JSON within JSON. What a function may leave out, misspell or set to
//! `null` is a lot; what it may not do is send another type than a member has. Both documents are
//! held whole, so [`Limits::document_bytes_max`] bounds the memory a call takes.
//!
//! The four functions below are the wire, both directions side by side and without a reader or a
//! writer; [`Json`] drives them over a container's pipes.

use bytes::Bytes;
use http::header;

use crate::stdio::{self, Dialect, Shell};
use crate::{
    Arrival, Call, ContainerIo, Due, Exiting, Fault, Head, Intent, Limits, ReplySink, Reuse, Stdin, Stdout, Text,
    Verdict, document,
};

pub(crate) mod object;
pub(crate) mod protocol;
#[cfg(test)]
mod tests;
pub(crate) mod text;

/// The name of this format.
pub const NAME: &str = "json";

/// The agent's end.
#[derive(Debug)]
pub struct Json(Shell<Wire>);

impl Json {
    /// Takes a container's ends. Only a cold format waits for the exit.
    #[must_use]
    pub fn new(stdin: Box<dyn Stdin>, stdout: Box<dyn Stdout>, _exit: Exiting, limits: Limits) -> Self {
        Self(Shell::new(stdin, stdout, limits))
    }
}

impl ContainerIo for Json {
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
    type Asked = ();

    fn encode(call: &Call, body: &[u8]) -> Result<(Vec<u8>, ()), Fault> {
        Ok((encode_call(call, body), ()))
    }

    fn decode((): (), document: Bytes, limits: &Limits) -> Result<(Head, Bytes), Fault> {
        decode_reply(&document, limits)
    }
}

/// The agent's request: a document and a newline. `body` is that of `call`, gathered.
#[must_use]
pub fn encode_call(call: &Call, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 512);
    out.extend_from_slice(br#"{"call_id":"#);
    text::push_string(&mut out, call.id.as_str().as_bytes());
    out.extend_from_slice(br#","deadline":"#);
    let deadline = call.deadline.map(|d| d.to_rfc3339_millis()).unwrap_or_default();
    text::push_string(&mut out, deadline.as_bytes());
    out.extend_from_slice(br#","body":"#);
    text::push_string(&mut out, body);
    out.extend_from_slice(br#","content_type":"#);
    let content_type = call.headers.get(header::CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    text::push_string(&mut out, content_type.unwrap_or_default());
    out.extend_from_slice(br#","protocol":"#);
    protocol::push_call(&mut out, call);
    out.extend_from_slice(b"}\n");
    out
}

object::object! {
    struct CallDocument<'de> {
        call_id: Option<String> = "call_id",
        deadline: Option<String> = "deadline",
        body: Option<String> = "body",
        content_type: Option<String> = "content_type",
        protocol: Option<protocol::Asked<'de>> = "protocol",
    }
}

/// The function's reading of a request. Such a call is an HTTP request in full, method, URL and
/// headers, and the answer's status is the function's to choose: [`Intent::Gateway`].
///
/// # Errors
/// When it is not JSON, or a member is of another type than it has. The next document may be fine.
pub fn decode_call(document: &[u8]) -> Result<Arrival, BadCall> {
    let text = document::text(document);
    let call: CallDocument<'_> = serde_json::from_str(&text)?;
    let intent = if call.protocol.is_some() { Intent::Gateway } else { Intent::Invoke };
    let (method, url, headers) = call.protocol.unwrap_or_default().into_parts(call.content_type.as_deref());
    Ok(Arrival {
        call_id: call.call_id.filter(|id| !id.is_empty()).map(Text::from),
        due: call.deadline.map_or(Due::Never, Due::told),
        intent,
        method,
        url,
        headers: headers.into(),
        body: call.body.unwrap_or_default().into(),
    })
}

/// A request that a function cannot read.
#[derive(Debug, thiserror::Error)]
#[error("invalid json request")]
pub struct BadCall(#[from] serde_json::Error);

/// The function's answer: a document and a newline.
#[must_use]
pub fn encode_reply(head: &Head, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 256);
    out.extend_from_slice(br#"{"body":"#);
    text::push_string(&mut out, body);
    if let Some(content_type) = head.headers.get(header::CONTENT_TYPE) {
        out.extend_from_slice(br#","content_type":"#);
        text::push_string(&mut out, content_type.as_bytes());
    }
    out.extend_from_slice(br#","protocol":"#);
    protocol::push_reply(&mut out, head);
    out.extend_from_slice(b"}\n");
    out
}

object::object! {
    struct ReplyDocument<'de> {
        body: Option<String> = "body",
        content_type: Option<String> = "content_type",
        protocol: Option<protocol::Answered<'de>> = "protocol",
    }
}

/// The agent's reading of an answer.
///
/// # Errors
/// `invalid_response_frame` when it is not JSON, a member is of another type than it has, or the
/// status is none; `response_headers_too_large`.
pub fn decode_reply(document: &[u8], limits: &Limits) -> Result<(Head, Bytes), Fault> {
    let text = document::text(document);
    let reply: ReplyDocument<'_> = serde_json::from_str(&text).map_err(|e| stdio::invalid_response(NAME, e))?;
    let protocol = reply.protocol.unwrap_or_default();
    let status =
        match protocol.status_code {
            None => None,
            Some(number) => Some(number.as_i64().ok_or_else(|| {
                stdio::invalid_response(NAME, format_args!("status_code {number} is not an integer"))
            })?),
        };
    let head = protocol::head(NAME, status, protocol.headers, reply.content_type.as_deref(), limits)?;
    Ok((head, reply.body.unwrap_or_default().into()))
}
