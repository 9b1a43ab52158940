//! The member `protocol`: what of HTTP travels with a document, the same in both formats.
//!
//! ```json
//! {"type":"http","method":"POST","request_url":"http://h/t/app/hello","headers":{"Accept":["*/*"]}}
//! {"status_code":201,"headers":{"Location":["/3"]}}
//! ```

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;

use super::object::object;
use super::text::push_string;
use crate::{Call, Fault, Head, Kind, Limits, canonical, gateway, stdio};

object! {
    /// A call's.
    pub(crate) struct Asked<'de> {
        method: Option<String> = "method",
        request_url: Option<String> = "request_url",
        headers: Option<Fields> = "headers",
    }
}

object! {
    /// An answer's.
    pub(crate) struct Answered<'de> {
        status_code: Option<serde_json::Number> = "status_code",
        headers: Option<Fields> = "headers",
    }
}

/// Headers, each with its values. No value is ever a plain string.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Fields(BTreeMap<String, Option<Vec<Option<String>>>>);

/// Writes a call's.
pub(crate) fn push_call(out: &mut Vec<u8>, call: &Call) {
    out.extend_from_slice(br#"{"type":"http","method":"#);
    push_string(out, call.method.as_str().as_bytes());
    out.extend_from_slice(br#","request_url":"#);
    push_string(out, call.url.as_bytes());
    out.extend_from_slice(br#","headers":"#);
    push_headers(out, &call.headers, |_| true);
    out.push(b'}');
}

/// Writes an answer's. Its `Content-Type` has a place of its own in either document.
pub(crate) fn push_reply(out: &mut Vec<u8>, head: &Head) {
    out.extend_from_slice(br#"{"status_code":"#);
    out.extend_from_slice(head.status.as_str().as_bytes());
    out.extend_from_slice(br#","headers":"#);
    push_headers(out, &head.headers, |name| *name != header::CONTENT_TYPE);
    out.push(b'}');
}

fn push_headers(out: &mut Vec<u8>, map: &HeaderMap, shows: impl Fn(&HeaderName) -> bool) {
    out.push(b'{');
    for (nth, (name, values)) in canonical::headers(map, shows).into_iter().enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        push_string(out, name.as_bytes());
        out.extend_from_slice(b":[");
        for (nth, value) in values.into_iter().enumerate() {
            if nth > 0 {
                out.push(b',');
            }
            push_string(out, value.as_bytes());
        }
        out.push(b']');
    }
    out.push(b'}');
}

impl Asked<'_> {
    /// Method, URL and headers as the function may use them; a method that is none is `POST`.
    pub(crate) fn into_parts(self, content_type: Option<&str>) -> (Method, String, HeaderMap) {
        let method = self.method.and_then(|method| method.parse().ok()).unwrap_or(Method::POST);
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers.unwrap_or_default().iter() {
            append(&mut headers, name, value);
        }
        set_content_type(&mut headers, content_type);
        (method, self.request_url.unwrap_or_default(), headers)
    }
}

/// The head of an answer in `format`. No status, or 0, is 200. The document's own content type wins
/// over one among the headers.
///
/// A header that HTTP cannot carry is left out, and a line end in its value becomes a space: that is
/// what became of them in a Go server.
///
/// # Errors
/// `invalid_response_frame` for a status that cannot be an answer's; `response_headers_too_large`.
pub(crate) fn head(
    format: &str,
    status: Option<i64>,
    fields: Option<Fields>,
    content_type: Option<&str>,
    limits: &Limits,
) -> Result<Head, Fault> {
    let status = match status.unwrap_or(0) {
        0 => StatusCode::OK,
        // An interim status cannot be an answer, and beyond three digits HTTP has none.
        status => u16::try_from(status)
            .ok()
            .filter(|status| *status >= 200)
            .and_then(|status| StatusCode::from_u16(status).ok())
            .ok_or_else(|| stdio::invalid_response(format, format_args!("status_code {status} is no answer's")))?,
    };
    let fields = fields.unwrap_or_default();
    let (count, bytes) =
        fields.iter().fold((0, 0), |(n, bytes), (name, value)| (n + 1, bytes + name.len() + value.len()));
    if count > limits.response_headers_max {
        return Err(too_large(format_args!("{count} headers, {} are allowed", limits.response_headers_max)));
    }
    if bytes > limits.response_head_bytes_max {
        return Err(too_large(format_args!("{bytes} bytes, {} are allowed", limits.response_head_bytes_max)));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter() {
        append(&mut headers, name, value);
    }
    gateway::strip_answer(&mut headers);
    set_content_type(&mut headers, content_type);
    Ok(Head { status, headers: headers.into() })
}

fn too_large(why: std::fmt::Arguments<'_>) -> Fault {
    Fault::new(Kind::ResponseHeadersTooLarge).because(why.to_string())
}

fn set_content_type(headers: &mut HeaderMap, content_type: Option<&str>) {
    if let Some(value) = content_type.filter(|text| !text.is_empty()).and_then(value) {
        headers.insert(header::CONTENT_TYPE, value);
    }
}

fn append(headers: &mut HeaderMap, name: &str, text: &str) {
    if let Ok(name) = HeaderName::from_bytes(name.as_bytes())
        && let Some(value) = value(text)
    {
        // More than the map can hold (32768) would be lost; every caller has a lower bound.
        let _ = headers.try_append(name, value);
    }
}

fn value(text: &str) -> Option<HeaderValue> {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    match HeaderValue::from_str(text) {
        Ok(value) => Some(value),
        Err(_) => HeaderValue::from_bytes(text.replace(['\r', '\n'], " ").as_bytes()).ok(),
    }
}

impl Fields {
    /// Each name with each of its values; `null` for a list is none, within one an empty value.
    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(name, values)| {
            values.iter().flatten().map(|value| (name.as_str(), value.as_deref().unwrap_or_default()))
        })
    }
}
