//! Requests that are the API's: read whole, answered whole.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, ORIGIN, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode, Uri};

use hotfn_protocols::http1::RequestHead;
use hotfn_protocols::{Body, BodyError, names};

use super::Cors;
use super::answer::{self, Answer};
use crate::access::Caller;
use crate::api::{self, Api, Problem};
use crate::conversation::Hangup;

/// How long a body may take to come. A call has a deadline; this is instead of one.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// Answers one request of `caller` to `base`.
pub(super) async fn answer(
    api: &Api,
    cors: Option<&Cors>,
    head: &RequestHead,
    uri: &Uri,
    base: &str,
    caller: Caller,
    body: Body,
) -> Result<Answer, Hangup> {
    let body = match tokio::time::timeout(BODY_PATIENCE, body.gather(api::BODY_BYTES_MAX)).await {
        Ok(Ok(body)) => body,
        Ok(Err(BodyError::Cut(_) | BodyError::TooSlow { .. })) => return Err(Hangup),
        Ok(Err(BodyError::TooLarge { max })) => {
            let message = format!("Request too large: a body of the API has at most {max} bytes");
            return Ok(answer::refusal(StatusCode::PAYLOAD_TOO_LARGE, &message));
        }
        Err(_) => {
            let message = format!("Request timed out: its body did not come within {BODY_PATIENCE:?}");
            return Ok(Answer { closes: true, ..answer::refusal(StatusCode::REQUEST_TIMEOUT, &message) });
        }
    };
    let request = api::Request {
        method: &head.method,
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        base,
        // A page that was named is as good as one of our own.
        origin: head.lines.first(&ORIGIN).filter(|origin| !cors.is_some_and(|cors| cors.names(origin))),
        caller,
        body,
    };
    Ok(match api.answer(request).await {
        Ok(told) => of(told),
        Err(problem) => refusal(problem),
    })
}

fn of(told: api::Answer) -> Answer {
    let mut answer = Answer::new(told.status, told.body);
    if let Some(kind) = told.content_type {
        answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    answer
}

fn refusal(problem: Problem) -> Answer {
    let mut answer = answer::refusal(problem.status, &problem.message);
    if problem.status.is_server_error() {
        answer.headers.insert(names::FN_BLAME, HeaderValue::from_static("platform"));
    }
    if let Some(challenge) = problem.challenge {
        answer.headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if let Some(allow) = problem.allow {
        let allow = HeaderValue::from_maybe_shared(Bytes::from(allow)).expect("methods are a header's value");
        answer.headers.insert(ALLOW, allow);
    }
    answer
}
