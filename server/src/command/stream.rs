//! Following a job while it runs: its output as events, then its end.
//!
//! Two ways to write the same: server-sent events, which browsers read, and a JSON document a line.
//! Each reader keeps its own two positions in the job's captures, and is told what it missed if it
//! was too slow. A character that is cut between two pieces is held back until the rest of it is
//! there.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::json;
use tokio::sync::watch;

use hotfn_protocols::Body;

use super::answer::{Output, Told, encode};
use super::job::{Job, Progress};
use super::request::Encoding;

/// How events are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Notation {
    /// `text/event-stream`.
    Events,
    /// `application/x-ndjson`.
    Lines,
}

/// The events of `job` from its beginning, as a body.
pub(super) fn body(job: Arc<Job>, notation: Notation, encoding: Encoding) -> Body {
    let follower = Follower { changes: job.changes(), job, notation, encoding, stdout: 0, stderr: 0, is_over: false };
    let events = stream::unfold(follower, |mut follower| async {
        let text = follower.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(text))), follower))
    });
    let events: Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(events);
    Body::stream(StreamBody::new(events))
}

struct Follower {
    job: Arc<Job>,
    changes: watch::Receiver<()>,
    notation: Notation,
    encoding: Encoding,
    /// How far each output was read.
    stdout: u64,
    stderr: u64,
    is_over: bool,
}

impl Follower {
    /// What has happened since, as soon as something has; `None` after the end.
    async fn next(&mut self) -> Option<String> {
        if self.is_over {
            return None;
        }
        loop {
            // Before looking, so that a change between the look and the wait is not missed.
            self.changes.mark_unchanged();
            let text = self.look();
            if !text.is_empty() {
                return Some(text);
            }
            self.changes.changed().await.expect("the job that is held holds the sender");
        }
    }

    fn look(&mut self) -> String {
        let mut text = String::new();
        let progress = self.job.progress();
        let has_ended = progress.outcome().is_some();
        for (name, position) in [("stdout", &mut self.stdout), ("stderr", &mut self.stderr)] {
            // A capture gives its head and its tail apart.
            while let Some(event) = piece(&progress, name, position, self.encoding, has_ended) {
                write(&mut text, self.notation, name, &event);
            }
        }
        drop(progress);
        if has_ended {
            self.is_over = true;
            let told =
                serde_json::to_value(Told::of(&self.job, Output::Left)).expect("texts and numbers can be written");
            write(&mut text, self.notation, "exit", &told);
        }
        text
    }
}

/// The next piece of one output, if there is one.
fn piece(
    progress: &Progress,
    name: &str,
    position: &mut u64,
    encoding: Encoding,
    has_ended: bool,
) -> Option<serde_json::Value> {
    let capture = if name == "stdout" { &progress.stdout } else { &progress.stderr };
    let mut since = capture.since(*position);
    if encoding == Encoding::Text && !has_ended {
        since.bytes.truncate(since.bytes.len() - cut_bytes(&since.bytes));
    }
    if since.bytes.is_empty() {
        return None;
    }
    *position += since.lost + since.bytes.len() as u64;
    let mut event = json!({ "data": encode(&since.bytes, encoding) });
    if since.lost > 0 {
        event["lostBytes"] = since.lost.into();
    }
    Some(event)
}

/// How many bytes at the end are the beginning of a character whose rest is not there.
fn cut_bytes(bytes: &[u8]) -> usize {
    let Err(e) = std::str::from_utf8(&bytes[bytes.len().saturating_sub(UTF8_BYTES_MAX)..]) else { return 0 };
    // What is wrong before the end is no character at all, wherever the window began.
    let last = bytes.iter().rev().take(UTF8_BYTES_MAX).position(|byte| byte & 0xc0 != 0x80);
    match (e.error_len(), last) {
        (None, Some(back)) => back + 1,
        (Some(_), Some(back)) if is_beginning(&bytes[bytes.len() - back - 1..]) => back + 1,
        _ => 0,
    }
}

const UTF8_BYTES_MAX: usize = 4;

fn is_beginning(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|e| e.error_len().is_none())
}

fn write(text: &mut String, notation: Notation, name: &str, event: &serde_json::Value) {
    match notation {
        Notation::Events => {
            text.push_str(&format!("event: {name}\ndata: {event}\n\n"));
        }
        Notation::Lines => {
            let mut event = event.clone();
            event["event"] = name.into();
            text.push_str(&format!("{event}\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hotfn_exec::Exit;
    use hotfn_protocols::CallId;

    use super::*;
    use crate::command::job::{Outcome, Stage};

    async fn next(body: &mut Body) -> Option<String> {
        let piece = tokio::time::timeout(Duration::from_secs(20), body.next()).await.expect("in good time");
        piece.map(|piece| String::from_utf8(piece.unwrap().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn output_comes_as_it_is_printed_and_then_the_end() {
        let job = Job::new(CallId::new(), "key".into(), 1 << 10);
        let mut events = body(job.clone(), Notation::Events, Encoding::Text);
        job.update(|progress| progress.stdout.push("caf\u{e9}\u{4f60}".as_bytes().split_at(7).0));
        assert_eq!(next(&mut events).await.unwrap(), "event: stdout\ndata: {\"data\":\"caf\u{e9}\"}\n\n");
        job.update(|progress| progress.stdout.push(&"\u{4f60}".as_bytes()[2..]));
        assert_eq!(next(&mut events).await.unwrap(), "event: stdout\ndata: {\"data\":\"\u{4f60}\"}\n\n");
        job.update(|progress| {
            progress.stderr.push(b"\xff");
            progress.stage = Stage::Ended(Outcome { exit: Exit::Code(0), timed_out: false, took: Duration::ZERO });
        });
        let id = job.id;
        let end = format!("event: exit\ndata: {{\"durationMs\":0,\"exitCode\":0,\"id\":\"{id}\"}}\n\n");
        let last = format!("event: stderr\ndata: {{\"data\":\"\u{fffd}\"}}\n\n{end}");
        assert_eq!(next(&mut events).await.unwrap(), last);
        assert_eq!(next(&mut events).await, None);

        let mut lines = body(job, Notation::Lines, Encoding::Base64);
        let all = next(&mut lines).await.unwrap();
        assert!(all.starts_with("{\"data\":\"Y2Fmw6nkvaA=\",\"event\":\"stdout\"}\n"), "{all}");
    }

    #[test]
    fn only_a_character_that_may_still_be_completed_is_held_back() {
        let check = |bytes: &[u8], expected: usize| assert_eq!(cut_bytes(bytes), expected, "{bytes:?}");
        check(b"", 0);
        check(b"abcdef", 0);
        check("\u{4f60}\u{4f60}".as_bytes(), 0);
        check(&"\u{4f60}".as_bytes()[..2], 2);
        check(&"ab\u{4f60}\u{4f60}".as_bytes()[..6], 1);
        check(&"\u{1f600}".as_bytes()[..3], 3);
        check(b"abc\xff", 0);
        check(b"\xff\xff\xff\xe4", 1);
        check(b"\x80\x80\x80\x80", 0);
    }
}
