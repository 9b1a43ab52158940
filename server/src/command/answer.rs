//! Answers, as JSON.

use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};

use hotfn_protocols::http1::Answering;
use hotfn_protocols::{Body, CallId};

use super::capture::Capture;
use super::job::{Job, Outcome};
use super::refusal::{Reason, Refusal};
use super::request::Encoding;
use crate::conversation::{self, date};

/// What is sent back for one request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) body: Body,
    /// In s.
    pub(super) retry_after: Option<u64>,
    pub(super) allow: Option<&'static str>,
    /// No request follows on the connection: what the peer sent of this one was not read whole.
    pub(super) closes: bool,
}

pub(super) const JSON: &str = "application/json; charset=utf-8";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
pub(super) const EVENTS: &str = "text/event-stream; charset=utf-8";
pub(super) const LINES: &str = "application/x-ndjson; charset=utf-8";

#[derive(Serialize)]
struct Envelope<T> {
    ok: bool,
    message: &'static str,
    data: T,
}

#[derive(Serialize)]
struct Refused<'a> {
    ok: bool,
    error: u16,
    reason: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Detail>,
}

#[derive(Serialize)]
struct Detail {
    id: String,
}

/// A job, as far as it has come.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    timed_out: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    truncated: Vec<&'static str>,
    #[serde(skip_serializing_if = "is_false")]
    running: bool,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u128>,
}

/// Whether the output goes along.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Output {
    /// Both strings are there and empty: code that reads them does not break.
    Empty,
    Left,
    Whole(Encoding),
}

impl Told {
    pub(super) fn of(job: &Job, output: Output) -> Self {
        let progress = job.progress();
        let text = |capture: &Capture| match output {
            Output::Empty => Some(String::new()),
            Output::Left => None,
            Output::Whole(encoding) => Some(encode(&capture.bytes(), encoding)),
        };
        let (stdout, stderr) = (&progress.stdout, &progress.stderr);
        let truncated =
            [("stdout", stdout), ("stderr", stderr)].into_iter().filter(|(_, capture)| capture.is_truncated());
        let outcome = progress.outcome();
        Self {
            stdout: text(stdout),
            stderr: text(stderr),
            exit_code: outcome.as_ref().map(Outcome::code),
            signal: outcome.as_ref().and_then(Outcome::signal),
            timed_out: outcome.is_some_and(|outcome| outcome.timed_out),
            truncated: truncated.map(|(name, _)| name).collect(),
            running: false,
            id: job.id.to_string(),
            duration_ms: outcome.map(|outcome| outcome.took.as_millis()),
        }
    }

    /// Only that it was taken on.
    pub(super) fn accepted(job: &Job) -> Self {
        Self { exit_code: None, signal: None, duration_ms: None, ..Self::of(job, Output::Empty) }
    }

    /// Says that it has not ended, and will go on.
    pub(super) fn running(job: &Job, output: Output) -> Self {
        let has_ended = job.progress().outcome().is_some();
        Self { running: !has_ended, ..Self::of(job, output) }
    }
}

pub(super) fn encode(bytes: &[u8], encoding: Encoding) -> String {
    match encoding {
        Encoding::Base64 => BASE64.encode(bytes),
        Encoding::Text => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Answer {
    pub(super) fn new(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Self {
        Self { status, content_type, body: body.into(), retry_after: None, allow: None, closes: false }
    }

    /// A job that was followed, to its end or for a while.
    pub(super) fn told(status: StatusCode, told: Told) -> Self {
        json(status, &Envelope { ok: true, message: "", data: told })
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
        head.line("Content-Type", self.content_type);
        head.line("Cache-Control", "no-store");
        date::with_now(|now| head.line("Date", now));
        if let Some(allow) = self.allow {
            head.line("Allow", allow);
        }
        if let Some(seconds) = self.retry_after {
            head.line("Retry-After", seconds.to_string());
        }
    }

    fn take_body(&mut self) -> Body {
        std::mem::take(&mut self.body)
    }
}

/// What bytes that are no request are told, with a status that requests have no reason for.
pub(super) fn unreadable(status: StatusCode, message: &str) -> Answer {
    let reason = Reason::BadRequest.code();
    json(status, &Refused { ok: false, error: status.as_u16(), reason, message, detail: None })
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let Refusal { reason, message, retry_after, allow, job } = refusal;
        let status = reason.status();
        let body = Refused {
            ok: false,
            error: status.as_u16(),
            reason: reason.code(),
            message: &message,
            detail: job.map(|job: CallId| Detail { id: job.to_string() }),
        };
        Self { retry_after, allow, ..json(status, &body) }
    }
}

fn json(status: StatusCode, document: &impl Serialize) -> Answer {
    let mut text = serde_json::to_vec(document).expect("texts and numbers can be written");
    text.push(b'\n');
    Answer::new(status, JSON, Bytes::from(text))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hotfn_exec::Exit;

    use super::*;
    use crate::command::job::Stage;

    fn text(answer: &Answer) -> String {
        String::from_utf8(answer.body.as_bytes().unwrap().to_vec()).unwrap()
    }

    fn job(stdout: &[u8], exit: Option<Exit>, timed_out: bool) -> std::sync::Arc<Job> {
        let job = Job::new(CallId::new(), "key".into(), 8);
        job.update(|progress| {
            progress.stdout.push(stdout);
            if let Some(exit) = exit {
                progress.stage = Stage::Ended(Outcome { exit, timed_out, took: Duration::from_millis(7) });
            }
        });
        job
    }

    fn check(job: &Job, output: Output, data: &str) {
        let told = text(&Answer::told(StatusCode::OK, Told::running(job, output)));
        let data = data.replace("ID", job.id.as_str());
        assert_eq!(told, format!("{{\"ok\":true,\"message\":\"\",\"data\":{{{data}}}}}\n"));
    }

    #[test]
    fn what_is_told_of_a_job() {
        let whole = Output::Whole(Encoding::Text);
        check(
            &job(b"h\xffi\n", Some(Exit::Code(0)), false),
            whole,
            "\"stdout\":\"h\u{fffd}i\\n\",\"stderr\":\"\",\"exitCode\":0,\"id\":\"ID\",\"durationMs\":7",
        );
        check(
            &job(b"\xff", Some(Exit::Signal(9)), true),
            Output::Whole(Encoding::Base64),
            r#""stdout":"/w==","stderr":"","exitCode":137,"signal":"SIGKILL","timedOut":true,"id":"ID","durationMs":7"#,
        );
        check(
            &job(b"0123456789", Some(Exit::Code(1)), false),
            Output::Left,
            r#""exitCode":1,"truncated":["stdout"],"id":"ID","durationMs":7"#,
        );
        check(&job(b"x", None, false), Output::Empty, r#""stdout":"","stderr":"","running":true,"id":"ID""#);
    }

    #[test]
    fn a_refusal_has_the_platforms_outline() {
        let mut refusal = Refusal::too_many("wait", 1);
        let answer = Answer::from(refusal.clone());
        assert_eq!((answer.status, answer.retry_after), (StatusCode::TOO_MANY_REQUESTS, Some(1)));
        assert_eq!(text(&answer), "{\"ok\":false,\"error\":429,\"reason\":\"TooMany\",\"message\":\"wait\"}\n");
        let id = CallId::new();
        refusal = Refusal { job: Some(id), ..Refusal::new(Reason::Unavailable, "bye") };
        assert!(text(&refusal.into()).ends_with(&format!("\"detail\":{{\"id\":\"{id}\"}}}}\n")));
    }
}
