//! Bodies, byte for byte, and where they end.

use crate::case::Entry;
use crate::check::{Run, holds};
use crate::function::Function;
use crate::stage::Stage;
use crate::wire::Request;

/// Sizes of case 39: nothing, one, a pipe's worth, more than anybody buffers in a kernel.
const SIZES: [usize; 4] = [0, 1, 64 << 10, 10 << 20];
/// A body that nobody reads: more than fits into a socket, and what is left of it would be taken for
/// so many calls, each long in the asking and short in the answer.
const UNREAD_CALLS: usize = 16;
const UNREAD_ORDERS: usize = 13_000;
/// The header that asks a function not to read the body.
const ORDER: &str = "Conformance-Unread";

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        39,
        "Bodies of 0 bytes to 10 MiB",
        "A body comes to the user and back byte for byte, whatever its size.",
        |stage| {
            let function = stage.start()?;
            for size in SIZES {
                // A byte no list of orders begins with.
                let mut body = stage.random.borrow_mut().bytes(size);
                body.first_mut().into_iter().for_each(|first| *first = b'x');
                same(&function, &body)?;
            }
            Ok(())
        },
    ),
    Entry::must(40, "All 256 bytes", "A body is bytes, not text: each of the 256 comes back as it was.", |stage| {
        same(&stage.start()?, &(0..=u8::MAX).collect::<Vec<_>>())
    }),
    Entry::must(
        41,
        "Nothing after the end of an answer",
        "An answer is as long as its framing says, and no byte follows it.",
        |stage| {
            let function = stage.start()?;
            for request in [Request::echo("exact"), Request::echo(""), Request::orders(&["fail as told"])] {
                let mut connection = function.connect()?;
                connection.call(&request)?;
                connection.is_silent()?;
            }
            Ok(())
        },
    ),
    Entry::must(
        42,
        "A body that the handler does not read",
        "What a handler leaves of a body is read over: the next call is served as ever.",
        |stage| {
            let function = stage.start()?;
            let mut connection = function.connect()?;
            let left = Request::orders(&["text"; UNREAD_ORDERS]).bytes();
            let body = left.repeat(UNREAD_CALLS);
            let answer =
                connection.call(&Request::echo(body).header(ORDER, "1"))?.is(200, "a call with an unread body")?;
            let next = Request::echo("next");
            // To close the connection is an honest way not to read on.
            let next = if answer.closes() { function.call(&next)? } else { connection.call(&next)? };
            let next = next.is(200, "the call after an unread body")?;
            holds!(next.body == b"next", "the call after an unread body was answered {}", next.brief());
            Ok(())
        },
    ),
];

fn same(function: &Function, body: &[u8]) -> Run {
    let answer = function.call(&Request::echo(body))?.is(200, &format!("an echo of {} bytes", body.len()))?;
    let differs = answer.body.iter().zip(body).position(|(came, sent)| came != sent);
    holds!(
        answer.body.len() == body.len() && differs.is_none(),
        "{} bytes came back as {}, different from byte {} on",
        body.len(),
        answer.body.len(),
        differs.unwrap_or_else(|| answer.body.len().min(body.len()))
    );
    Ok(())
}
