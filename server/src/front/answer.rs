//! A reply becomes a response.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body::{Body as _, Frame, SizeHint};
use tokio_util::task::task_tracker::TaskTrackerToken;

use hotfn_protocols::{Body, BodyError, Fault, Kind, Reply, Timing, names, sniff};

use super::body::Resumed;

/// A response's body. While it lives, the call it belongs to counts as under way.
///
/// If it fails half way, hyper closes the connection without a proper end, so that no caller takes
/// a part for the whole.
pub struct Answer {
    body: Body,
    under_way: Option<TaskTrackerToken>,
}

impl Answer {
    pub(super) fn hold(&mut self, under_way: TaskTrackerToken) {
        self.under_way = Some(under_way);
    }
}

/// What the function answered, as the caller is to see it.
///
/// `bodiless` says that the caller asked for no body (HEAD). What the function sends all the same
/// is read and dropped before the answer goes out, so that its container is none the worse.
///
/// # Errors
/// When the answer cannot be told over HTTP, or its body failed before its first byte.
pub(super) async fn of_reply(reply: Reply, bodiless: bool) -> Result<Response<Answer>, Fault> {
    let Reply { mut head, mut body, timing } = reply;
    if head.status.is_informational() {
        return Err(Fault::new(Kind::InvalidResponse)
            .because(format!("status {} cannot end an answer", head.status.as_u16()))
            .timed(timing));
    }
    // The length is the body's to say; hyper writes it where it is known.
    let announced = head.headers.remove(header::CONTENT_LENGTH);
    if bodiless || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        let length = body.len().filter(|&length| length > 0);
        while let Some(piece) = body.next().await {
            piece.map_err(|e| unfinished(e).timed(timing))?;
        }
        if bodiless && let Some(length) = length.map(HeaderValue::from).or(announced) {
            head.headers.insert(header::CONTENT_LENGTH, length);
        }
    } else if !head.headers.contains_key(header::CONTENT_TYPE) && !head.headers.contains_key(header::CONTENT_ENCODING) {
        let kind;
        (kind, body) = sniff(body).await.map_err(|e| unfinished(e).timed(timing))?;
        if let Some(kind) = kind {
            head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
    }
    let mut response = Response::new(Answer { body, under_way: None });
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    write_timing(&mut response, timing);
    Ok(response)
}

/// What kind of bytes these are, by the first piece. An empty body is of no kind.
async fn sniff(mut body: Body) -> Result<(Option<&'static str>, Body), BodyError> {
    if let Some(bytes) = body.as_bytes() {
        let kind = (!bytes.is_empty()).then(|| sniff::content_type(bytes));
        return Ok((kind, body));
    }
    loop {
        match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.transpose()? {
            None => return Ok((None, body)),
            Some(frame) => match frame.data_ref() {
                Some(data) if !data.is_empty() => {
                    let kind = sniff::content_type(data);
                    return Ok((Some(kind), Body::stream(Resumed { first: Some(Ok(frame)), rest: body })));
                }
                _ => {}
            },
        }
    }
}

/// An answer that failed while it could still become an error.
fn unfinished(error: BodyError) -> Fault {
    let kind = match error {
        BodyError::TooLarge { .. } => Kind::ResponseTooLarge,
        BodyError::Cut(_) => Kind::Receiving,
    };
    Fault::new(kind).caused_by(error)
}

/// A detached call was taken: no body, and the call's name in a header.
pub(super) fn accepted() -> Response<Answer> {
    let mut response = Response::new(Answer::from(Body::empty()));
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

/// The same request belongs to `location`.
pub(super) fn redirect(location: String) -> Response<Answer> {
    let mut response = Response::new(Answer::from(Body::empty()));
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    let location = HeaderValue::from_maybe_shared(Bytes::from(location)).expect("a part of a URI is a header's value");
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// A request that never became a call.
pub(super) fn refusal(status: StatusCode, message: &str) -> Response<Answer> {
    let mut text = serde_json::json!({ "message": message }).to_string();
    text.push('\n');
    let mut response = json(status, text);
    response.headers_mut().insert(names::FN_BLAME, HeaderValue::from_static("caller"));
    response
}

/// A path that exists, for other methods.
pub(super) fn wrong_method(method: &Method, path: &str, allow: &'static str) -> Response<Answer> {
    let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, &format!("Method not allowed: {method} {path}"));
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// A JSON document of ours.
pub(super) fn json(status: StatusCode, text: String) -> Response<Answer> {
    let mut response = Response::new(Answer::from(Body::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

/// Adds where the time went, in milliseconds: `queue;dur=0.012, function;dur=1.250`.
pub(super) fn write_timing(response: &mut Response<Answer>, timing: Timing) {
    // Every call passes here: one buffer, and no detour over floating point.
    let mut text = Vec::new();
    for (step, took) in timing.steps() {
        if text.is_empty() {
            text.reserve(TIMING_BYTES);
        } else {
            text.extend_from_slice(b", ");
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        text.extend_from_slice(step.as_bytes());
        text.extend_from_slice(b";dur=");
        push_decimal(&mut text, micros / 1000, 1);
        text.push(b'.');
        push_decimal(&mut text, micros % 1000, 3);
    }
    if !text.is_empty() {
        let text = HeaderValue::from_maybe_shared(Bytes::from(text)).expect("step names and digits are ASCII");
        response.headers_mut().append(names::SERVER_TIMING, text);
    }
}

/// Room for the five steps.
const TIMING_BYTES: usize = 128;

fn push_decimal(text: &mut Vec<u8>, number: u64, digits_min: u32) {
    let digits = number.checked_ilog10().map_or(1, |log| log + 1).max(digits_min);
    for place in (0..digits).rev() {
        let digit = number / 10u64.pow(place) % 10;
        text.push(b'0' + u8::try_from(digit).expect("a digit is below ten"));
    }
}

impl From<Body> for Answer {
    fn from(body: Body) -> Self {
        Self { body, under_way: None }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("body", &self.body).field("under_way", &self.under_way.is_some()).finish()
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn timing_is_told_in_milliseconds_with_three_decimals() {
        let timing = Timing {
            queue: Some(Duration::from_nanos(12_999)),
            launch: None,
            thaw: Some(Duration::ZERO),
            dispatch: Some(Duration::from_micros(1_050)),
            function: Some(Duration::from_secs(12)),
        };
        let mut response = accepted();
        write_timing(&mut response, timing);
        let expected = "queue;dur=0.012, thaw;dur=0.000, dispatch;dur=1.050, function;dur=12000.000";
        assert_eq!(response.headers()[names::SERVER_TIMING], expected);
    }

    #[test]
    fn no_step_no_header() {
        let mut response = accepted();
        write_timing(&mut response, Timing::default());
        assert!(response.headers().is_empty());
    }
}
