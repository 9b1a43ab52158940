//! Calls as they come: framed in each way, one after another, on old connections and new.

use crate::bounds;
use crate::case::Entry;
use crate::check::{Run, holds};
use crate::stage::Stage;
use crate::wire::Request;

/// Calls of the cases that make many.
const MANY: usize = 1000;

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(11, "A body in chunks", "POST /call with Transfer-Encoding: chunked is served with 200.", |stage| {
        echoes(stage, Request::echo("in chunks").chunked(), b"in chunks")
    }),
    Entry::must(12, "No body", "POST /call with Content-Length: 0 is served with 200.", |stage| {
        echoes(stage, Request::echo(""), b"")
    }),
    Entry::must(13, "A body of known length", "POST /call with a Content-Length is served with 200.", |stage| {
        echoes(stage, Request::echo("of known length"), b"of known length")
    }),
    Entry::must(
        14,
        "Other paths and methods",
        "Whatever the path or method, the status is 200, 502 or 504: any other ends the container.",
        |stage| {
            let function = stage.start()?;
            for (method, path) in [("POST", "/other"), ("GET", "/call"), ("PUT", "/"), ("DELETE", "/call?x=1")] {
                let answer = function.call(&Request::new(method, path))?;
                holds!(
                    [200, 502, 504].contains(&answer.status),
                    "{method} {path} was answered {}; an agent takes any status but 200, 502 and 504 for a broken \
                     function, and kills it",
                    answer.brief()
                );
            }
            Ok(())
        },
    ),
    Entry::must(
        15,
        "1000 calls on one connection",
        "A connection is kept alive: a thousand calls, one after another, go over one.",
        |stage| {
            let function = stage.start()?;
            let mut connection = function.connect()?;
            for n in 0..MANY {
                let body = format!("call {n}");
                let answer = connection.call(&Request::echo(body.as_str()))?.is(200, "a call on a kept connection")?;
                holds!(answer.body == body.as_bytes(), "call {n} got another's answer: {}", answer.brief());
                holds!(!answer.closes(), "call {n} was answered with Connection: close; connections are kept alive");
            }
            Ok(())
        },
    ),
    Entry::must(
        16,
        "1000 connections, a call each",
        "New connections are accepted for as long as the function lives.",
        |stage| {
            let function = stage.start()?;
            for n in 0..MANY {
                let body = format!("call {n}");
                let answer = function.call(&Request::echo(body.as_str()))?.is(200, "a call on a new connection")?;
                holds!(answer.body == body.as_bytes(), "call {n} got another's answer: {}", answer.brief());
            }
            Ok(())
        },
    ),
    Entry::should(
        19,
        "A new connection beside an idle one",
        "A connection is served while an older one is open and idle: agents dial anew before the old one is closed.",
        |stage| {
            let function = stage.start()?;
            let mut older = function.connect()?;
            older.call(&Request::echo("older"))?.is(200, "the first call")?;
            let mut newer = function.connect()?;
            newer.send(&Request::echo("newer").bytes())?;
            let Ok(answer) = newer.answer_within(bounds::END) else {
                holds!(false, "no answer within {:?} on a second connection while the first is idle", bounds::END);
                return Ok(());
            };
            answer.is(200, "a call beside an idle connection").map(drop)
        },
    ),
];

fn echoes(stage: &Stage, request: Request, body: &[u8]) -> Run {
    let answer = stage.start()?.call(&request)?.is(200, "an echo")?;
    holds!(answer.body == body, "the body {:?} came back as {}", String::from_utf8_lossy(body), answer.brief());
    Ok(())
}
