//! What of a function's answer reaches the caller, and what becomes of its container.

use serde_json::json;

use super::containers;
use super::stage::{Deployed, Stage, fault, script, sight};
use crate::bounds;
use crate::case::Entry;
use crate::check::{Run, Stop, holds};
use crate::transcript::shortened;
use crate::wire::Unanswered;

/// Statuses that mean nothing to an agent.
const STRANGE: [u16; 6] = [201, 204, 302, 404, 500, 503];

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        87,
        "A success",
        "Status 200 comes with the function's headers and body, and a true Content-Length.",
        |stage| {
            let function = stage.start("link")?;
            let answer = function.steps(&["send HTTP/1.1 200 OK%0d%0aX-Own: 1%0d%0aX-Own: 2%0d%0aTransfer-Encoding: chunked%0d%0a%0d%0a3%0d%0aabc%0d%0a0%0d%0a%0d%0a"])?;
            let answer = answer.is(200, "a success")?;
            holds!(answer.body == b"abc", "the body abc came as {}", answer.brief());
            holds!(answer.all("x-own") == ["1", "2"], "X-Own came as {:?}", answer.all("x-own"));
            let length = answer.header("content-length");
            holds!(length.is_none_or(|length| length == "3"), "Content-Length of three bytes is {length:?}");
            Ok(())
        },
    ),
    Entry::must(
        88,
        "The function's 502",
        "Status 502 of a function is told as 502, and the same container serves the next call.",
        |stage| told(stage, 502),
    ),
    Entry::must(
        89,
        "The function's 504",
        "Status 504 of a function is told as 504, and the same container serves the next call.",
        |stage| told(stage, 504),
    ),
    Entry::must(
        90,
        "A status that means nothing",
        "Any status but 200, 502 and 504 is told as 502, and the container is replaced.",
        |stage| {
            for status in STRANGE {
                let function = stage.start("link")?;
                let before = function.container()?;
                let length = if status == 204 { "" } else { "Content-Length: 0%0d%0a" };
                let answer = function.steps(&[&format!("send HTTP/1.1 {status} X%0d%0a{length}%0d%0a")])?;
                fault(&answer, 502, &["invalid"])?;
                replaced(&function, &before, &format!("status {status}"))?;
            }
            Ok(())
        },
    ),
    Entry::must(91, "An interim answer", "103 before 200 is read over.", |stage| {
        let function = stage.start("link")?;
        let answer = function.steps(&["send HTTP/1.1 103 Early Hints%0d%0aLink: x%0d%0a%0d%0a", "ok"])?;
        answer.is(200, "an answer after an interim one").map(drop)
    }),
    Entry::must(
        92,
        "No answer that could be read",
        "Garbage, an early close, a process that ends, crashes or is killed for its memory is told as 502, and the \
         container is replaced.",
        |stage| {
            for step in [
                "send this is no HTTP%0d%0a%0d%0a",
                "send HTTP/1.1 200 OK%0d%0aContent-Le",
                "close",
                "exit 0",
                "exit 3",
                "crash",
            ] {
                unreadable(stage, step, &["receiving", "response", "signal", "ended", "exit"])?;
            }
            if stage.runs_images() {
                // Beyond its 64 MB the kernel ends it; a program of the host has no such bound.
                unreadable(stage, "eat 256", &["receiving", "response", "memory"])?;
            }
            Ok(())
        },
    ),
    Entry::must(
        93,
        "A deadline before the head",
        "A call without an answer at its deadline is told as 504, and the container is replaced.",
        |stage| late(stage, &["hang"]),
    ),
    Entry::must(
        94,
        "A deadline within the body",
        "A body that is not whole at the deadline is told as 504, or as a response that is cut and shows it.",
        |stage| late(stage, &["send HTTP/1.1 200 OK%0d%0aContent-Length: 1000%0d%0a%0d%0a", "trickle 100 100"]),
    ),
    Entry::must(
        97,
        "A body shorter than it said",
        "A function's body that ends early never comes as a success that looks whole.",
        |stage| {
            let function = stage.start("link")?;
            let cut = ["send HTTP/1.1 200 OK%0d%0aContent-Length: 100%0d%0a%0d%0ashort", "close"];
            not_whole(&function, &cut)
        },
    ),
    Entry::must(
        100,
        "A caller that leaves",
        "When a caller leaves, its container ends, and the next call is served by another.",
        |stage| {
            let function = stage.start("link")?;
            let before = function.container()?;
            let mut connection = stage.connect()?;
            connection.send(&function.request(script(&["pause 1000", "ok"])).bytes())?;
            // The call is at work: it was not answered at once.
            if !matches!(connection.answer_within(bounds::SILENCE), Err(Unanswered::Silent)) {
                return Err(Stop::broken("a call that takes a second was answered at once"));
            }
            drop(connection);
            // Two more containers, while the call would still be at work.
            let pause = function.request(script(&["pause 1500", "saw"]));
            containers::at_once(&function, &pause, 2)?;
            // Had its container been kept, it would by then be idle, and one of three calls at once be its.
            let after = containers::at_once(&function, &pause, 3)?;
            holds!(!after.contains(&before), "the container of a caller that left serves on; it must have ended");
            Ok(())
        },
    ),
    Entry::must(
        101,
        "Bytes after an answer",
        "What a function sends after an answer never shows in the next one.",
        |stage| {
            let function = stage.start("link")?;
            // Both in one write: bytes that come when the next call is already under way are its answer,
            // as far as anybody can tell.
            let surplus = "send HTTP/1.1 200 OK%0d%0aContent-Length: 2%0d%0a%0d%0ahi\
                           HTTP/1.1 200 OK%0d%0aContent-Length: 6%0d%0a%0d%0aforged";
            let first = function.steps(&[surplus])?.is(200, "an answer before surplus bytes")?;
            holds!(first.body == b"hi", "the answer was {}", first.brief());
            for _ in 0..5 {
                let next = function.steps(&["ok"])?.is(200, "the call after surplus bytes")?;
                holds!(next.body != b"forged", "bytes left over from one call answered the next");
            }
            Ok(())
        },
    ),
    Entry::must(
        102,
        "Connection: close",
        "A function that closes its connection after an answer serves the next call in the same container.",
        |stage| {
            let function = stage.start("link")?;
            let before = function.container()?;
            let closing = ["send HTTP/1.1 200 OK%0d%0aConnection: close%0d%0aContent-Length: 2%0d%0a%0d%0ahi", "close"];
            function.steps(&closing)?.is(200, "an answer with Connection: close")?;
            kept(&function, &before, "Connection: close")
        },
    ),
    Entry::must(
        103,
        "A function that serves one connection",
        "One that accepts late, has a backlog of 1 and serves a connection until it is closed, is served as any other: \
         the old connection is closed before another is dialled.",
        |stage| {
            let function = stage.start("single")?;
            let before = function.container()?;
            // After this an agent leaves its connection, and the next call needs another.
            for status in [502, 504] {
                let answer =
                    function.steps(&[&format!("send HTTP/1.1 {status} X%0d%0aContent-Length: 2%0d%0a%0d%0ano")])?;
                holds!(answer.status == status, "status {status} was told as {}", answer.brief());
                kept(&function, &before, &format!("status {status}"))?;
            }
            Ok(())
        },
    ),
    Entry::must(
        104,
        "Trailers and headers of the connection",
        "Trailers and hop-by-hop headers of a function's do not reach the caller.",
        |stage| {
            let function = stage.start("link")?;
            let answer = function.steps(&["send HTTP/1.1 200 OK%0d%0aKeep-Alive: timeout=7%0d%0aProxy-Authenticate: x%0d%0aTransfer-Encoding: chunked%0d%0aTrailer: X-Late%0d%0a%0d%0a2%0d%0ahi%0d%0a0%0d%0aX-Late: 1%0d%0a%0d%0a"])?;
            let answer = answer.is(200, "an answer with trailers")?;
            for name in ["proxy-authenticate", "trailer", "x-late"] {
                holds!(answer.header(name).is_none(), "the function's {name} reached the caller");
            }
            let found = answer.header("keep-alive").unwrap_or_default();
            holds!(!found.contains("timeout=7"), "the function's Keep-Alive reached the caller");
            Ok(())
        },
    ),
    Entry::should(
        105,
        "An answer without a content type",
        "Where the function names none, the content type is guessed from the body.",
        |stage| {
            let function = stage.start("link")?;
            let page = ["send HTTP/1.1 200 OK%0d%0aContent-Length: 15%0d%0a%0d%0a<html>hi</html>"];
            let answer = function.steps(&page)?.is(200, "an answer without a content type")?;
            let found = answer.header("content-type").unwrap_or("absent");
            holds!(found.starts_with("text/html"), "the content type of a page is {found}");
            Ok(())
        },
    ),
    Entry::better(
        106,
        "One Fn-Call-Id in the answer",
        "A function that sends Fn-Call-Id does not double the agent's own.",
        |stage| {
            let function = stage.start("link")?;
            let forged = ["send HTTP/1.1 200 OK%0d%0aFn-Call-Id: 01FORGED%0d%0aContent-Length: 2%0d%0a%0d%0ahi"];
            let answer = function.steps(&forged)?.is(200, "an answer with an id")?;
            let found = answer.all("fn-call-id");
            holds!(found.len() == 1 && found[0] != "01FORGED", "the answer's Fn-Call-Id is {found:?}");
            Ok(())
        },
    ),
];

/// A function that does this instead of answering.
fn unreadable(stage: &Stage, step: &str, words: &[&str]) -> Run {
    let function = stage.start("link")?;
    let before = function.container()?;
    fault(&function.steps(&[step, "close"])?, 502, words)?;
    replaced(&function, &before, step)
}

/// A status that an agent passes on as what it is.
fn told(stage: &Stage, status: u16) -> Run {
    let function = stage.start("link")?;
    let before = function.container()?;
    let answer = function
        .steps(&[&format!("send HTTP/1.1 {status} X%0d%0aX-Own: 1%0d%0aContent-Length: 6%0d%0a%0d%0asecret")])?;
    fault(&answer, status, &["failed", "timed out", "timeout"])?;
    holds!(!shortened(&answer.body).contains("secret"), "the function's body reached the caller: {}", answer.brief());
    holds!(answer.header("x-own").is_none(), "the function's headers reached the caller");
    kept(&function, &before, &format!("status {status}"))
}

fn late(stage: &Stage, steps: &[&str]) -> Run {
    let function = stage.deploy_as(&json!({ "timeout": 1 }))?;
    let before = function.container()?;
    let mut connection = stage.connect()?;
    connection.send(&function.request(script(steps)).bytes())?;
    match connection.answer() {
        Ok(answer) => fault(&answer, 504, &["timed out", "timeout"])?,
        // What streams can only be cut, and a cut shows.
        Err(Unanswered::Closed(1..)) => {}
        Err(other) => return Err(other.into()),
    }
    replaced(&function, &before, "its deadline")
}

fn not_whole(function: &Deployed<'_>, steps: &[&str]) -> Run {
    let mut connection = function.app.stage.connect()?;
    connection.send(&function.request(script(steps)).bytes())?;
    match connection.answer() {
        Ok(answer) => {
            holds!(answer.status >= 500, "a body that was cut came as {}", answer.brief());
            connection.is_silent()
        }
        Err(Unanswered::Closed(_)) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

pub(super) fn kept(function: &Deployed<'_>, before: &str, after: &str) -> Run {
    let now = sight(&function.call("who")?)?.container;
    holds!(now == before, "after {after} the next call was served by another container; it must be the same");
    Ok(())
}

pub(super) fn replaced(function: &Deployed<'_>, before: &str, after: &str) -> Run {
    let now = sight(&function.call("who")?)?.container;
    holds!(now != before, "after {after} the next call was served by the same container; it must be another");
    Ok(())
}
