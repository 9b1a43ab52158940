//! What of a caller's request reaches the function.

use std::time::{Duration, Instant, SystemTime};

use hotfn_protocols::Deadline;

use serde_json::json;

use super::stage::{Stage, sight};
use crate::case::Entry;
use crate::check::holds;
use crate::witness::checksum;

const TIMEOUT: Duration = Duration::from_secs(20);
/// How far a deadline may be off: it is written in whole seconds.
const TOLERANCE: Duration = Duration::from_millis(1500);

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        79,
        "POST /call, Host: localhost",
        "Whatever the caller asked, the function sees POST /call.",
        |stage| {
            let function = stage.start("link")?;
            let seen = function.sees(&function.request("hi"))?;
            holds!(seen.line == "POST /call HTTP/1.1", "the request line is {:?}", seen.line);
            holds!(seen.all("host") == ["localhost"], "Host is {:?}", seen.all("host"));
            Ok(())
        },
    ),
    Entry::must(80, "One id for the call", "Fn-Call-Id as the function sees it is that of the answer.", |stage| {
        let function = stage.start("link")?;
        let answer = function.call("hi")?;
        let (seen, told) = (sight(&answer)?, answer.header("fn-call-id"));
        let id = seen.header("fn-call-id");
        holds!(id.is_some() && id == told, "the function saw the id {id:?}, the caller {told:?}");
        Ok(())
    }),
    Entry::must(
        81,
        "Callers cannot forge id and deadline",
        "Fn-Call-Id and Fn-Deadline of a caller's are replaced.",
        |stage| {
            let function = stage.start("link")?;
            let forged =
                function.request("hi").header("Fn-Call-Id", "01FORGED").header("Fn-Deadline", "2099-01-01T00:00:00Z");
            let seen = function.sees(&forged)?;
            for (name, value) in [("fn-call-id", "01FORGED"), ("fn-deadline", "2099-01-01T00:00:00Z")] {
                let found = seen.all(name);
                holds!(found.len() == 1 && found[0] != value, "the caller's {name} reached the function: {found:?}");
            }
            Ok(())
        },
    ),
    Entry::must(
        82,
        "The deadline",
        "Fn-Deadline is the start of the call and the function's timeout, in RFC 3339.",
        |stage| {
            let function = stage.deploy_as(&json!({ "timeout": TIMEOUT.as_secs() }))?;
            // The first call starts the container, which does not count.
            function.call("warm")?;
            let called = SystemTime::now();
            let seen = function.sees(&function.request("hi"))?;
            let text = seen.header("fn-deadline").unwrap_or("absent");
            let Some(due) = Deadline::parse(text, Instant::now(), SystemTime::now()) else {
                holds!(false, "Fn-Deadline {text} is not RFC 3339");
                return Ok(());
            };
            let given = due.wall().duration_since(called).unwrap_or_default();
            let off = given.abs_diff(TIMEOUT);
            holds!(off <= TOLERANCE, "with a timeout of {TIMEOUT:?} the deadline {text} is {given:?} after the call");
            Ok(())
        },
    ),
    Entry::must(
        83,
        "Headers of the connection",
        "Hop-by-hop headers of the caller's do not reach the function; Te: trailers may.",
        |stage| {
            let function = stage.start("link")?;
            let request = function
                .request("hi")
                .header("Keep-Alive", "timeout=5")
                .header("Proxy-Connection", "keep-alive")
                .header("Proxy-Authorization", "Basic eA==")
                .header("Proxy-Authenticate", "Basic")
                .header("Te", "trailers");
            let seen = function.sees(&request)?;
            for name in ["keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate"] {
                holds!(seen.all(name).is_empty(), "the caller's {name} reached the function");
            }
            let te = seen.all("te");
            holds!(te == ["trailers"], "Te: trailers came as {te:?}");
            Ok(())
        },
    ),
    Entry::better(
        84,
        "Headers that Connection names",
        "A header named in the caller's Connection does not reach the function.",
        |stage| {
            let function = stage.start("link")?;
            let seen = function.sees(&function.request("hi").header("Connection", "X-Hop").header("X-Hop", "1"))?;
            holds!(seen.all("x-hop").is_empty(), "X-Hop, named in Connection, reached the function");
            Ok(())
        },
    ),
    Entry::must(85, "Repeated headers", "A header the caller sent twice comes twice.", |stage| {
        let function = stage.start("link")?;
        let seen = function.sees(&function.request("hi").header("X-Twice", "1").header("X-Twice", "2"))?;
        let found = seen.all("x-twice");
        holds!(found == ["1", "2"], "X-Twice: 1 and X-Twice: 2 came as {found:?}");
        Ok(())
    }),
    Entry::must(
        86,
        "Bodies of every framing",
        "A body of known length, in chunks, or none comes byte for byte.",
        |stage| {
            let function = stage.start("link")?;
            let body = stage.random.borrow_mut().bytes(1 << 20);
            let requests = [
                function.request(""),
                function.request(&body[..1]),
                function.request(&body[..]),
                function.request(&body[..]).chunked(),
            ];
            for (request, sent) in requests.iter().zip([&[][..], &body[..1], &body[..], &body[..]]) {
                let seen = function.sees(request)?;
                let same = seen.body_bytes == sent.len() && seen.body_sum == checksum(sent);
                holds!(same, "of {} bytes the function saw {}, or others", sent.len(), seen.body_bytes);
            }
            Ok(())
        },
    ),
];
