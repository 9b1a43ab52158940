//! Where a call stands in a distributed trace, told by its headers and handed to `tracing`.
//!
//! Two dialects are understood: W3C's `traceparent`, which wins, and B3's `x-b3-*`, which a
//! platform may switch off. Only ids of the right shape count; what is malformed is no context,
//! never a failed call. No ids are invented here: a subscriber that exports spans does that.

use http::HeaderMap;
use tracing::Span;

use crate::Context;

/// The caller's place in a trace.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trace {
    /// The trace's id, in hexadecimal: 32 digits, or 16 in old B3.
    pub trace_id: String,
    /// The id of the caller's span, 16 hexadecimal digits: the parent of this call's span.
    pub span_id: String,
    /// Has the caller decided that the trace is recorded? `None`: it leaves that open.
    pub sampled: Option<bool>,
}

impl Trace {
    pub(crate) fn read(headers: &HeaderMap, b3: bool) -> Option<Self> {
        w3c(headers).or_else(|| if b3 { self::b3(headers) } else { None })
    }
}

/// The span a call runs in, disabled where nobody subscribes.
pub(crate) fn span(ctx: &Context) -> Span {
    let span = tracing::info_span!(
        "call",
        call_id = ctx.call_id(),
        service = tracing::field::Empty,
        trace_id = tracing::field::Empty,
        parent_span_id = tracing::field::Empty,
        sampled = tracing::field::Empty,
    );
    if span.is_disabled() {
        return span;
    }
    if let (Some(app), Some(function)) = (ctx.app_name(), ctx.fn_name()) {
        span.record("service", format!("{app}::{function}").to_lowercase());
    }
    if let Some(trace) = ctx.trace() {
        span.record("trace_id", trace.trace_id).record("parent_span_id", trace.span_id);
        if let Some(sampled) = trace.sampled {
            span.record("sampled", sampled);
        }
    }
    span
}

/// `traceparent: 00-<trace>-<span>-<flags>`; later versions may add fields.
fn w3c(headers: &HeaderMap) -> Option<Trace> {
    let mut fields = text(headers, "traceparent")?.trim().split('-');
    let (version, trace_id, span_id, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let shaped =
        id(version, &[2]) && version != "ff" && id(flags, &[2]) && (version != "00" || fields.next().is_none());
    if !shaped || !set(trace_id, &[32]) || !set(span_id, &[16]) {
        return None;
    }
    let flags = u8::from_str_radix(flags, 16).ok()?;
    Some(Trace { trace_id: trace_id.to_owned(), span_id: span_id.to_owned(), sampled: Some(flags & 1 == 1) })
}

fn b3(headers: &HeaderMap) -> Option<Trace> {
    let (trace_id, span_id) = (text(headers, "x-b3-traceid")?, text(headers, "x-b3-spanid")?);
    if !set(trace_id, &[16, 32]) || !set(span_id, &[16]) {
        return None;
    }
    // The debug flag implies that the trace is recorded.
    let sampled = match (text(headers, "x-b3-flags"), text(headers, "x-b3-sampled")) {
        (Some("1"), _) | (_, Some("1" | "true")) => Some(true),
        (_, Some("0" | "false")) => Some(false),
        _ => None,
    };
    Some(Trace { trace_id: trace_id.to_owned(), span_id: span_id.to_owned(), sampled })
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn id(text: &str, lengths: &[usize]) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// An id that is not all zeros, which would mean that there is none.
fn set(text: &str, lengths: &[usize]) -> bool {
    id(text, lengths) && text.bytes().any(|b| b != b'0')
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const T: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const S: &str = "00f067aa0ba902b7";

    fn read(headers: &[(&'static str, &str)], b3: bool) -> Option<(String, String, Option<bool>)> {
        let headers =
            headers.iter().map(|(n, v)| (http::HeaderName::from_static(n), HeaderValue::from_str(v).unwrap()));
        Trace::read(&headers.collect(), b3).map(|t| (t.trace_id, t.span_id, t.sampled))
    }

    #[test]
    fn both_dialects_are_read_and_the_standard_one_wins() {
        let w3c = format!("00-{T}-{S}-01");
        let found = |trace: &str, sampled| Some((trace.to_owned(), S.to_owned(), sampled));
        assert_eq!(read(&[("traceparent", &w3c)], false), found(T, Some(true)));
        assert_eq!(read(&[("traceparent", &format!("00-{T}-{S}-00"))], true), found(T, Some(false)));
        assert_eq!(read(&[("traceparent", &format!("01-{T}-{S}-00-more"))], true), found(T, Some(false)));
        let b3 = [("x-b3-traceid", S), ("x-b3-spanid", S)];
        assert_eq!(read(&b3, true), found(S, None));
        assert_eq!(read(&[b3[0], b3[1], ("x-b3-sampled", "0")], true), found(S, Some(false)));
        assert_eq!(read(&[b3[0], b3[1], ("x-b3-flags", "1")], true), found(S, Some(true)));
        assert_eq!(read(&[b3[0], b3[1], ("traceparent", &w3c)], true), found(T, Some(true)));
    }

    #[test]
    fn b3_can_be_switched_off_and_nonsense_is_no_context() {
        assert_eq!(read(&[("x-b3-traceid", T), ("x-b3-spanid", S)], false), None);
        assert_eq!(read(&[("x-b3-traceid", "xyz"), ("x-b3-spanid", S)], true), None);
        let zeros = "0".repeat(32);
        for bad in [
            String::new(),
            "00-".to_owned(),
            format!("00-{zeros}-{S}-01"),
            format!("ff-{T}-{S}-01"),
            format!("00-{T}-{S}-01-more"),
        ] {
            assert_eq!(read(&[("traceparent", &bad)], true), None, "{bad}");
        }
    }
}
