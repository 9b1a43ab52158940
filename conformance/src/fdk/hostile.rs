//! Callers that are odd, rude or gone.

use std::time::Duration;

use crate::bounds;
use crate::case::Entry;
use crate::check::{Run, Stop};
use crate::stage::Stage;
use crate::wire::{Request, Unanswered};

/// How many times a rude caller comes back.
const VISITS: usize = 5;
/// How long a call is at work when its caller leaves.
const AT_WORK: &str = "sleep 300";
/// How long a caller waits for `100 Continue` before it sends its body without.
const CONTINUE: Duration = Duration::from_millis(300);

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::should(51, "64 KiB of headers", "A request with 64 KiB of headers is served.", |stage| {
        // The rest is what any request has.
        let many = (0..62).fold(Request::echo("hi"), |request, n| request.header(&format!("X-{n}"), [b'v'; 1010]));
        stage.start()?.call(&many)?.is(200, "a call with 64 KiB of headers").map(drop)
    }),
    Entry::should(
        52,
        "A header that is not ASCII",
        "A header's value may be any bytes: the process lives, whatever the answer.",
        |stage| {
            let mut function = stage.start()?;
            let _ = function.connect()?.call(&Request::echo("hi").header("X-Latin", b"caf\xe9 \xff"));
            function.still_serves("a header value that is not ASCII")
        },
    ),
    Entry::should(
        53,
        "Expect: 100-continue",
        "A caller that announces its body is told to go on, or served when it goes on without being told.",
        |stage| {
            let mut function = stage.start()?;
            let mut connection = function.connect()?;
            let request = Request::echo("announced").header("Expect", "100-continue");
            connection.send(&request.head())?;
            let answer = match connection.answer_within(CONTINUE) {
                // An interim answer is read over, so this is silence too.
                Err(Unanswered::Silent) => {
                    connection.send(b"announced")?;
                    connection.answer()?
                }
                other => other?,
            };
            answer.is(200, "a call with Expect: 100-continue")?;
            function.still_serves("Expect: 100-continue")
        },
    ),
    Entry::should(
        54,
        "A caller that leaves within its request",
        "A connection that is closed within a head or a body costs the process nothing.",
        |stage| {
            let mut function = stage.start()?;
            let request = Request::echo(vec![b'x'; 4096]);
            let (bytes, head) = (request.bytes(), request.head().len());
            for cut in [4, head / 2, head, head + 100, bytes.len() - 1].into_iter().take(VISITS) {
                function.connect()?.send(&bytes[..cut])?;
            }
            function.still_serves("callers left within their requests")
        },
    ),
    Entry::should(
        55,
        "A caller that leaves before its answer",
        "To write an answer that nobody reads does not end the process.",
        |stage| {
            let mut function = stage.start()?;
            for _ in 0..VISITS {
                let mut connection = function.connect()?;
                connection.send(&Request::orders(&[AT_WORK, "bytes"]).bytes())?;
            }
            // Those that still are at work come to their answers while this waits for its own.
            later(&function)?;
            function.still_serves("callers left before their answers")
        },
    ),
];

/// A call that ends after all that began before it.
fn later(function: &crate::function::Function) -> Run {
    let mut connection = function.connect()?;
    connection.send(&Request::orders(&["sleep 600"]).bytes())?;
    match connection.answer_within(bounds::ANSWER) {
        Ok(_) => Ok(()),
        Err(unanswered) => Err(Stop::from(unanswered)),
    }
}
