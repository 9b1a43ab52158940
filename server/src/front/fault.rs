//! Which HTTP status a fault is: decided here and nowhere else.

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use hotfn_protocols::{Blame, CallId, Fault, Kind, Retry, names};

use super::answer::{self, Answer};

/// The status of the contract's section 5. [`Kind::CallerLeft`] has none: nothing is sent.
fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::BeyondNode | Kind::CallCut => StatusCode::BAD_REQUEST,
        Kind::Busy | Kind::Draining => StatusCode::SERVICE_UNAVAILABLE,
        Kind::CallSlow => StatusCode::REQUEST_TIMEOUT,
        Kind::CallUnsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::InitTimeout | Kind::PullTimeout | Kind::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        Kind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Kind::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::UnknownFunction => StatusCode::NOT_FOUND,
        // What is left differs only in whose doing it was, and so will kinds that are yet to come.
        other => match other.blame() {
            Blame::Caller => StatusCode::BAD_REQUEST,
            Blame::Function => StatusCode::BAD_GATEWAY,
            Blame::Platform => StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
}

/// The same, but what a registry refuses with one of the 400s is passed on as it is.
fn status_of(fault: &Fault) -> StatusCode {
    let passed_on = fault.refusal().and_then(|code| StatusCode::from_u16(code).ok());
    passed_on.filter(StatusCode::is_client_error).unwrap_or_else(|| status(fault.kind()))
}

/// What the caller reads. The cause behind the fault is for the log.
#[derive(Serialize)]
struct Told<'a> {
    /// The kind's sentence, and the reason after it where there is one: what the Fn CLI shows.
    message: &'a str,
    code: &'static str,
    blame: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    call_id: &'a str,
}

/// The answer to a call that failed.
pub(super) fn answer(fault: &Fault, call: CallId) -> Answer {
    let told = Told {
        message: &fault.to_string(),
        code: fault.kind().code(),
        blame: fault.blame().as_str(),
        reason: fault.reason(),
        call_id: call.as_str(),
    };
    let mut text = serde_json::to_string(&told).expect("strings are always JSON");
    text.push('\n');
    let mut answer = answer::json(status_of(fault), text);
    // What is still to come of its body is not waited for either.
    answer.closes = fault.kind() == Kind::CallSlow;
    answer.timing = fault.timing();
    answer.headers.insert(names::FN_BLAME, HeaderValue::from_static(told.blame));
    if let Retry::After(wait) = fault.retry() {
        // Whole seconds, and none too early.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        answer.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_kind_has_its_status() {
        let expected = |kind: Kind| match kind.code() {
            "beyond_node" | "call_cut" | "caller_left" | "image_barred" => 400,
            "unknown_function" => 404,
            "call_slow" => 408,
            "request_too_large" => 413,
            "call_unsupported" => 415,
            "rate_limited" => 429,
            "internal" => 500,
            "exited"
            | "function_failed"
            | "init_failed"
            | "invalid_response_frame"
            | "invalid_response"
            | "out_of_memory"
            | "pull_failed"
            | "receiving_response"
            | "response_too_large"
            | "response_headers_too_large" => 502,
            "busy" | "draining" => 503,
            "init_timeout" | "pull_timeout" | "timed_out" => 504,
            other => panic!("{other} needs a row here and in docs/errors"),
        };
        for &kind in Kind::ALL {
            assert_eq!(status(kind).as_u16(), expected(kind), "{kind:?}");
        }
    }

    #[test]
    fn only_a_registrys_400s_are_passed_on() {
        for (refusal, told) in [(404, 404), (429, 429), (500, 502), (302, 502), (99, 502)] {
            let fault = Fault::new(Kind::PullFailed).refused_with(refusal);
            assert_eq!(answer(&fault, CallId::new()).status, told, "{refusal}");
        }
    }

    #[test]
    fn every_kind_has_a_page() {
        let page = include_str!("../../../docs/errors/README.md");
        for kind in Kind::ALL {
            let heading = format!("### `{}`", kind.code());
            assert!(page.contains(&heading), "docs/errors/README.md lacks {heading:?}");
        }
    }

    #[test]
    fn a_full_node_says_when_to_come_back() {
        let answer = answer(&Fault::new(Kind::Busy), CallId::new());
        assert_eq!(answer.headers[header::RETRY_AFTER], "15");
        assert_eq!(answer.headers[names::FN_BLAME], "platform");
    }

    #[test]
    fn nobody_is_asked_back_too_early() {
        for (wait, told) in [(Duration::from_millis(1), "1"), (Duration::from_secs(2), "2"), (Duration::ZERO, "0")] {
            let answer = answer(&Fault::new(Kind::RateLimited).retry_after(wait), CallId::new());
            assert_eq!((answer.status.as_u16(), &answer.headers[header::RETRY_AFTER]), (429, &told.parse().unwrap()));
        }
    }
}
