//! The most bytes of a request and of an answer, where an agent was told them.

use super::answers::{kept, replaced};
use super::stage::{Stage, fault, script};
use crate::case::{Entry, Needs};
use crate::check::holds;

/// What the caps are in these cases: bodies, and an answer's head.
const BODY_BYTES_MAX: usize = 1000;
const HEAD_BYTES_MAX: usize = 4096;

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        95,
        "The cap of an answer's body",
        "With FN_MAX_RESPONSE_SIZE a body of just that size is a success; one byte more is told as 502, framed well.",
        |stage: &Stage| {
            let (_own, stage) = stage.own(&[("FN_MAX_RESPONSE_SIZE", &BODY_BYTES_MAX.to_string())])?;
            let function = stage.start("link")?;
            for (framing, end) in [("Content-Length: {}", ""), ("Transfer-Encoding: chunked", "%0d%0a0%0d%0a%0d%0a")] {
                for (size, status) in [(BODY_BYTES_MAX, 200), (BODY_BYTES_MAX + 1, 502)] {
                    let head = framing.replace("{}", &size.to_string());
                    let chunk = if end.is_empty() { String::new() } else { format!("{size:x}%0d%0a") };
                    let steps = [
                        &format!("send HTTP/1.1 200 OK%0d%0a{head}%0d%0a%0d%0a{chunk}"),
                        &format!("fill {size}"),
                        &format!("send {end}"),
                    ];
                    let mut connection = stage.connect()?;
                    let answer = connection.call(&function.request(script(&steps.map(String::as_str))))?;
                    if status == 200 {
                        let answer = answer.is(200, &format!("a body of {size} bytes, the cap"))?;
                        holds!(answer.body.len() == size, "of a body of {size} bytes {} came", answer.body.len());
                    } else {
                        fault(&answer, status, &["large", "big", "long", "size", "limit"])?;
                    }
                    connection.is_silent()?;
                }
            }
            Ok(())
        },
    )
    .needs(Needs::Own),
    Entry::must(
        96,
        "The cap of an answer's head",
        "With FN_MAX_HDR_RESPONSE_SIZE a larger head is told as 502, and the container is replaced.",
        |stage: &Stage| {
            let (_own, stage) = stage.own(&[("FN_MAX_HDR_RESPONSE_SIZE", &HEAD_BYTES_MAX.to_string())])?;
            let function = stage.start("link")?;
            let before = function.container()?;
            let head = |bytes: usize| {
                let value = "x".repeat(bytes);
                format!("send HTTP/1.1 200 OK%0d%0aX-Own: {value}%0d%0aContent-Length: 2%0d%0a%0d%0ahi")
            };
            function.steps(&[&head(HEAD_BYTES_MAX / 2)])?.is(200, "half as large a head as may be")?;
            fault(&function.steps(&[&head(2 * HEAD_BYTES_MAX)])?, 502, &["header", "head"])?;
            replaced(&function, &before, "a head beyond its cap")
        },
    )
    .needs(Needs::Own),
    Entry::must(
        98,
        "The cap of a request, its length known",
        "With FN_MAX_REQUEST_SIZE a request that says it is larger is told as 413, and the function not called.",
        |stage: &Stage| {
            let (_own, stage) = stage.own(&[("FN_MAX_REQUEST_SIZE", &BODY_BYTES_MAX.to_string())])?;
            let function = stage.start("link")?;
            let first = function.sees(&function.request(vec![b'x'; BODY_BYTES_MAX]))?;
            holds!(first.body_bytes == BODY_BYTES_MAX, "of a request of just the cap {} bytes came", first.body_bytes);
            let before = first.container;
            fault(&stage.ask(&function.request(vec![b'x'; BODY_BYTES_MAX + 1]))?, 413, &[])?;
            let after = function.sees(&function.request("who"))?;
            holds!(after.container == before, "after a request beyond the cap another container served");
            holds!(after.calls == first.calls + 1, "the function was called with a request beyond the cap");
            Ok(())
        },
    )
    .needs(Needs::Own),
    Entry::better(
        99,
        "The cap of a request in chunks",
        "One that turns out larger is told as 413, and the container is kept.",
        |stage: &Stage| {
            let (_own, stage) = stage.own(&[("FN_MAX_REQUEST_SIZE", &BODY_BYTES_MAX.to_string())])?;
            let function = stage.start("link")?;
            let before = function.container()?;
            fault(&stage.ask(&function.request(vec![b'x'; 3 * BODY_BYTES_MAX]).chunked())?, 413, &[])?;
            kept(&function, &before, "a request beyond its cap")
        },
    )
    .needs(Needs::Own),
];
