//! A caller's HTTP within the headers of a call.
//!
//! Over a socket every call is a `POST /call`, and every good answer a 200. A call that came
//! through a trigger is more: its method, URL and headers are for the function to see, its status
//! and headers for the function to choose. Both travel as headers of the plain call:
//!
//! ```text
//! Fn-Intent: httprequest                          Fn-Http-Status: 201
//! Fn-Http-Method: PUT                             Fn-Http-H-Location: /books/7
//! Fn-Http-Request-Url: http://node/t/shop/books   Content-Type: text/plain
//! Fn-Http-H-Accept: text/plain
//! Content-Type: application/json
//! ```
//!
//! The four directions stand here in the order a call walks them: [`encode_call`] by the agent,
//! [`decode_call`] and [`encode_answer`] by the function, [`decode_answer`] by the agent. A plain
//! call goes through the two of the function as well, so that an FDK has one door for both.
//!
//! Absent on purpose: `Host` and the framing of a message belong to a connection, and
//! `Content-Length` of an answer to whoever sends it. None of them travels.

use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::headers::Reading;
use crate::http1::{Lines, NAME_BYTES_MAX, encode};
use crate::names::{
    FN_CALL_ID, FN_DEADLINE, FN_FDK_RUNTIME, FN_FDK_VERSION, FN_HTTP_H, FN_HTTP_METHOD, FN_HTTP_REQUEST_URL,
    FN_HTTP_STATUS, FN_INTENT, INTENT_GATEWAY,
};
use crate::{Arrival, Call, Due, Fault, Head, Headers, Intent, Kind, Text, hop};

/// Agent: appends the headers of a gateway call to a request head. What every call has
/// (`Fn-Call-Id`, `Fn-Deadline`, the framing) is not among them.
pub fn encode_call(call: &Call, out: &mut BytesMut) {
    encode::line(out, "Fn-Intent", INTENT_GATEWAY);
    encode::line(out, "Fn-Http-Method", call.method.as_str());
    out.extend_from_slice(b"Fn-Http-Request-Url: ");
    encode::url(out, &call.url);
    out.extend_from_slice(b"\r\n");
    for (name, value) in hop::passing_fields(&call.headers) {
        if name.eq_ignore_ascii_case(b"content-type") {
            encode::field(out, "", name, value);
        } else if !name.eq_ignore_ascii_case(b"host") {
            encode::field(out, "Fn-Http-H-", name, value);
        }
    }
}

/// Function: reads the headers of a call, plain or gateway. The body is the caller's to add.
///
/// A plain call's method is `POST` and its URL unknown. Its headers are the caller's without the
/// connection's; those of a gateway call are the caller's own, their prefix removed, and the
/// prefixed ones are gone.
///
/// Nothing here fails: what is missing or cannot be read is absent.
#[must_use]
pub fn decode_call(lines: Lines) -> Arrival {
    let text = |name: &HeaderName| lines.first(name).and_then(|value| std::str::from_utf8(value).ok());
    let is_gateway = lines.first(&FN_INTENT).is_some_and(|said| said.eq_ignore_ascii_case(INTENT_GATEWAY.as_bytes()));
    let mut arrival = Arrival {
        call_id: lines.first_shared(&FN_CALL_ID).filter(|id| !id.is_empty()).and_then(Text::from_utf8),
        due: lines.first_shared(&FN_DEADLINE).map_or(Due::Never, Due::Told),
        method: Method::POST,
        ..Arrival::default()
    };
    if is_gateway {
        arrival.intent = Intent::Gateway;
        arrival.method = text(&FN_HTTP_METHOD).and_then(|m| m.parse().ok()).unwrap_or(Method::POST);
        arrival.url = text(&FN_HTTP_REQUEST_URL).unwrap_or_default().to_owned();
    }
    arrival.headers =
        Headers::read_as(lines, if is_gateway { Reading::Unprefixed } else { Reading::Passing(PLATFORMS) });
    arrival
}

/// Headers of a plain call that are not the caller's, on either side of it.
pub(crate) const PLATFORMS: &[&str] = &["content-length", "fn-call-id", "fn-deadline", "host"];

/// Function: appends the headers of an answer, which is sent with status 200 whatever `status` is.
///
/// A plain call's answer keeps its headers, and its status is lost: that is the contract. To a
/// gateway call `status` and headers are wrapped, except `Content-Type` and the FDK's own two; what
/// the handler wrapped itself stays as it is, a `Fn-Http-Status` included.
pub fn encode_answer(status: StatusCode, headers: &HeaderMap, intent: Intent, out: &mut BytesMut) {
    let stays = [CONTENT_TYPE, FN_FDK_RUNTIME, FN_FDK_VERSION, FN_HTTP_STATUS];
    // A name too long to be prefixed is too long for the agent as well.
    for (name, value) in hop::passing(headers).filter(|(name, _)| !is_platforms(name)) {
        if intent == Intent::Invoke || stays.contains(name) || is_prefixed(name) {
            encode::header(out, name, value);
        } else if name.as_str().len() <= NAME_BYTES_MAX - FN_HTTP_H.len() {
            encode::field(out, "Fn-Http-H-", name.as_str().as_bytes(), value.as_bytes());
        }
    }
    if intent == Intent::Gateway && !headers.contains_key(FN_HTTP_STATUS) {
        encode::line(out, "Fn-Http-Status", status.as_str());
    }
}

/// Agent: the caller's status and headers, from the headers of a gateway call's good answer.
///
/// Only what was wrapped passes, and `Content-Type`; a wrapped one wins. A status that is no
/// positive number is 200, as in Fn.
///
/// # Errors
/// [`Kind::InvalidResponse`] for a status that no HTTP answer can end with: below 200 it would
/// leave the caller waiting for another, above 999 it has no place on the wire.
pub fn decode_answer(headers: &HeaderMap) -> Result<Head, Fault> {
    let said = headers.get(FN_HTTP_STATUS).and_then(|v| v.to_str().ok()?.parse::<i64>().ok());
    let number = said.filter(|n| *n > 0).unwrap_or(200);
    let status = u16::try_from(number).ok().and_then(|n| StatusCode::from_u16(n).ok());
    let Some(status) = status.filter(|status| !status.is_informational()) else {
        let reason = format!("function set fn-http-status to {number}; it must be from 200 to 999");
        return Err(Fault::new(Kind::InvalidResponse).because(reason));
    };
    let mut headers = unprefixed(headers);
    strip_answer(&mut headers);
    Ok(Head { status, headers: headers.into() })
}

/// Agent: the headers of an answer without what belongs to its connection, and without what the
/// platform says itself.
pub(crate) fn answer_headers(lines: Lines) -> Headers {
    Headers::read_as(lines, Reading::Passing(ANSWERS))
}

/// Takes out of an answer's headers what is not its function's to say: what speaks of the connection,
/// the length, which the body tells itself, and the call's id, which the platform has told already.
pub fn strip_answer(headers: &mut HeaderMap) {
    hop::strip(headers);
    for name in ANSWERS {
        headers.remove(*name);
    }
}

/// What the platform says itself of an answer.
const ANSWERS: &[&str] = &["content-length", "fn-call-id"];

/// Does it belong to whoever sends the answer on, so that a handler has no say in it?
fn is_platforms(name: &HeaderName) -> bool {
    [CONTENT_LENGTH, FN_CALL_ID, TRANSFER_ENCODING].contains(name)
}

fn is_prefixed(name: &HeaderName) -> bool {
    name.as_str().starts_with(FN_HTTP_H)
}

/// What stands behind the prefix, and the unprefixed `Content-Type` if none does.
pub(crate) fn unprefixed(headers: &HeaderMap) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        // A bare prefix leaves nothing, and nothing is no name.
        let name = name.as_str().strip_prefix(FN_HTTP_H).map(|name| HeaderName::from_bytes(name.as_bytes()));
        if let Some(Ok(name)) = name {
            out.append(name, value.clone());
        }
    }
    if let Some(value) = headers.get(CONTENT_TYPE) {
        out.entry(CONTENT_TYPE).or_insert_with(|| HeaderValue::clone(value));
    }
    out
}

#[cfg(test)]
mod tests;
