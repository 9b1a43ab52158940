//! A reply becomes an answer.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::task::task_tracker::TaskTrackerToken;

use hotfn_protocols::http1::{Answering, Lines};
use hotfn_protocols::{Body, BodyError, CallId, Fault, Headers, Kind, Reply, Timing, names, sniff};

use crate::access::Denied;
use crate::conversation::{self, date};
use crate::metrics::OPEN_METRICS;

/// What is sent back for one request.
///
/// If its body fails half way, the connection is closed without a proper end, so that no caller
/// takes a part for the whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Without what the connection says itself: lengths, `Connection`, and the three below.
    pub(super) headers: Headers,
    pub(super) body: Body,
    /// Told as `Fn-Call-Id`, where there was a call.
    pub(super) call: Option<CallId>,
    /// Told as `Server-Timing`.
    pub(super) timing: Timing,
    /// No further request is answered on the connection.
    pub(super) closes: bool,
    /// While it lives, the call it belongs to counts as under way.
    pub(super) under_way: Option<TaskTrackerToken>,
}

impl Answer {
    pub(super) fn new(status: StatusCode, body: impl Into<Body>) -> Self {
        Self {
            status,
            headers: Headers::default(),
            body: body.into(),
            call: None,
            timing: Timing::default(),
            closes: false,
            under_way: None,
        }
    }
}

impl conversation::Answer for Answer {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn closes(&self) -> bool {
        self.closes
    }

    fn write_head<S>(&self, head: &mut Answering<'_, S>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut is_dated = false;
        for (name, value) in self.headers.fields() {
            is_dated |= name.eq_ignore_ascii_case(b"date");
            // Nobody else names a call.
            if self.call.is_none() || !name.eq_ignore_ascii_case(b"fn-call-id") {
                head.field(name, value);
            }
        }
        if let Some(call) = &self.call {
            head.line("Fn-Call-Id", call.as_bytes());
        }
        let mut room = [0; TIMING_BYTES];
        let timing = timing(self.timing, &mut room);
        if !timing.is_empty() {
            head.line("Server-Timing", timing);
        }
        if !is_dated {
            date::with_now(|now| head.line("Date", now));
        }
    }

    fn take_body(&mut self) -> Body {
        std::mem::take(&mut self.body)
    }

    fn into_lines(self) -> Option<Lines> {
        self.headers.into_lines()
    }
}

/// What the function answered, as the caller is to see it.
///
/// `bodiless` says that the caller asked for no body (HEAD). What the function sends all the same
/// is read and dropped before the answer goes out, so that its container is none the worse.
///
/// # Errors
/// When the answer cannot be told over HTTP, or its body failed before its first byte.
pub(super) async fn of_reply(reply: Reply, bodiless: bool) -> Result<Answer, Fault> {
    let Reply { mut head, mut body, timing } = reply;
    if head.status.is_informational() {
        return Err(Fault::new(Kind::InvalidResponse)
            .because(format!("status {} cannot end an answer", head.status.as_u16()))
            .timed(timing));
    }
    if bodiless || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        let announced = head.headers.remove(header::CONTENT_LENGTH);
        let length = body.len().filter(|&length| length > 0);
        while let Some(piece) = body.next().await {
            piece.map_err(|e| unfinished(e).timed(timing))?;
        }
        if bodiless && let Some(length) = length.map(HeaderValue::from).or(announced) {
            head.headers.insert(header::CONTENT_LENGTH, length);
        }
    } else if head.headers.first(&header::CONTENT_TYPE).is_none()
        && head.headers.first(&header::CONTENT_ENCODING).is_none()
    {
        let kind;
        (kind, body) = sniff(body).await.map_err(|e| unfinished(e).timed(timing))?;
        if let Some(kind) = kind {
            head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
    }
    Ok(Answer { headers: head.headers, timing, ..Answer::new(head.status, body) })
}

/// What kind of bytes these are, by the first piece. An empty body is of no kind.
async fn sniff(mut body: Body) -> Result<(Option<&'static str>, Body), BodyError> {
    if let Some(bytes) = body.as_bytes() {
        let kind = (!bytes.is_empty()).then(|| sniff::content_type(bytes));
        return Ok((kind, body));
    }
    let Some(first) = body.next().await.transpose()? else { return Ok((None, body)) };
    let kind = sniff::content_type(&first);
    Ok((Some(kind), Body::resumed(first, body)))
}

/// An answer that failed while it could still become an error.
fn unfinished(error: BodyError) -> Fault {
    let kind = match error {
        BodyError::TooLarge { .. } => Kind::ResponseTooLarge,
        BodyError::Cut(_) | BodyError::TooSlow { .. } => Kind::Receiving,
    };
    Fault::new(kind).caused_by(error)
}

/// A detached call was taken: no body, and the call's name in a header.
pub(super) fn accepted() -> Answer {
    Answer::new(StatusCode::ACCEPTED, Body::empty())
}

/// The same request belongs to `location`.
pub(super) fn redirect(location: String) -> Answer {
    let mut answer = Answer::new(StatusCode::TEMPORARY_REDIRECT, Body::empty());
    let location = HeaderValue::from_maybe_shared(Bytes::from(location)).expect("a part of a URI is a header's value");
    answer.headers.insert(header::LOCATION, location);
    answer
}

/// A request that never became a call.
pub(super) fn refusal(status: StatusCode, message: &str) -> Answer {
    let mut text = serde_json::json!({ "message": message }).to_string();
    text.push('\n');
    let mut answer = json(status, text);
    answer.headers.insert(names::FN_BLAME, HeaderValue::from_static("caller"));
    answer
}

/// Whoever asked may not.
pub(super) fn denied(denied: &Denied) -> Answer {
    let mut answer = refusal(denied.status(), &denied.to_string());
    answer.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(denied.challenge()));
    answer
}

/// A path that leads nowhere.
pub(super) fn unknown_path(method: &Method, path: &str) -> Answer {
    refusal(StatusCode::NOT_FOUND, &format!("Path not found: {method} {path}"))
}

/// A path that exists, for other methods.
pub(super) fn wrong_method(method: &Method, path: &str, allow: &'static str) -> Answer {
    let mut answer = refusal(StatusCode::METHOD_NOT_ALLOWED, &format!("Method not allowed: {method} {path}"));
    answer.headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    answer
}

/// What is measured, as text for whoever scrapes it.
pub(super) fn metrics(text: String) -> Answer {
    let mut answer = Answer::new(StatusCode::OK, text);
    answer.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
    answer
}

/// A JSON document of ours.
pub(super) fn json(status: StatusCode, text: String) -> Answer {
    let mut answer = Answer::new(status, text);
    answer.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    answer
}

/// Where the time went, in milliseconds: `queue;dur=0.012, function;dur=1.250`. Every call passes
/// here: no memory is taken, and no detour over floating point.
fn timing(timing: Timing, room: &mut [u8; TIMING_BYTES]) -> &[u8] {
    let mut at = 0;
    let mut push = |bytes: &[u8]| {
        room[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    for (n, (step, took)) in timing.steps().enumerate() {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).min(MICROS_MAX);
        push(if n == 0 { b"" } else { b", " });
        push(step.as_bytes());
        push(b";dur=");
        push(digits(micros / 1000, 1, &mut [0; DIGITS_MAX]));
        push(b".");
        push(digits(micros % 1000, 3, &mut [0; DIGITS_MAX]));
    }
    &room[..at]
}

/// Room for the five steps, at most 32 bytes each.
const TIMING_BYTES: usize = 160;

/// Longer than any call may take: 11 days.
const MICROS_MAX: u64 = 999_999_999_999;

/// As many as milliseconds can have.
const DIGITS_MAX: usize = 9;

/// A number below 10^9 with at least so many digits.
fn digits(mut number: u64, digits_min: usize, room: &mut [u8; DIGITS_MAX]) -> &[u8] {
    let mut at = DIGITS_MAX;
    while number > 0 || at > DIGITS_MAX - digits_min {
        at -= 1;
        room[at] = b'0' + u8::try_from(number % 10).expect("a digit is below ten");
        number /= 10;
    }
    &room[at..]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn timing_is_told_in_milliseconds_with_three_decimals() {
        let check =
            |steps: Timing, expected: &str| assert_eq!(timing(steps, &mut [0; TIMING_BYTES]), expected.as_bytes());
        check(Timing::default(), "");
        check(
            Timing {
                queue: Some(Duration::from_nanos(12_999)),
                launch: None,
                thaw: Some(Duration::ZERO),
                dispatch: Some(Duration::from_micros(1_050)),
                function: Some(Duration::from_secs(12)),
            },
            "queue;dur=0.012, thaw;dur=0.000, dispatch;dur=1.050, function;dur=12000.000",
        );
        let forever = Some(Duration::MAX);
        let longest = Timing { queue: forever, launch: forever, thaw: forever, dispatch: forever, function: forever };
        let mut room = [0; TIMING_BYTES];
        assert!(timing(longest, &mut room).ends_with(b"function;dur=999999999.999"));
    }
}
