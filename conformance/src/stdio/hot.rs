//! One call after another to one process.

use rustix::process::Signal;

use hotfn_protocols::Format;

use super::call::{Call, strange};
use super::session::Session;
use super::{DOCUMENTS, HOT, InFormats, one};
use crate::bounds;
use crate::case::Entry;
use crate::check::{Run, Stop, holds};

/// Calls of the case that makes many, and the most bytes of their bodies.
const MANY: usize = 1000;
const BODY_BYTES_MAX: usize = 2000;

pub(super) const CASES: &[InFormats] = &[
    InFormats(
        HOT,
        Entry::must(
            221,
            "1000 calls to one process",
            "A process serves one call after another; each gets its own answer.",
            |stage| {
                let mut session = Session::start(stage, &Call::echo(""))?;
                for n in 0..MANY {
                    let size = stage.random.borrow_mut().below(BODY_BYTES_MAX);
                    let body = format!("{n} {}", stage.random.borrow_mut().letters(size));
                    let answer = session.call(&Call::echo(body.as_str()))?.is(200, &format!("call {n}"))?;
                    holds!(answer.body == body.as_bytes(), "call {n} was answered {}", answer.brief());
                }
                Ok(())
            },
        ),
    ),
    InFormats(
        HOT,
        Entry::must(
            222,
            "A failed call is followed by the next",
            "An error, or a panic, costs its own call and not the process.",
            |stage| {
                for order in ["fail as told", "panic as told"] {
                    next(&mut one::fails(stage, order)?, order)?;
                }
                Ok(())
            },
        ),
    ),
    InFormats(
        HOT,
        Entry::must(
            223,
            "The end of the input is the end",
            "When its standard input ends, the process ends with exit code 0.",
            |stage| {
                let (mut session, _) = Session::first(stage, &Call::echo("hi"))?;
                let Some(status) = session.ends() else {
                    return Err(Stop::broken(format!("it still runs {:?} after its input ended", bounds::END)));
                };
                holds!(status.success(), "when its input ended it ended with {status}, not with exit code 0");
                Ok(())
            },
        ),
    ),
    InFormats(
        HOT,
        Entry::must(
            224,
            "Nothing after the end of an answer",
            "An answer is one message of its format; white space may follow a document, and nothing else anything.",
            |stage| {
                for call in [Call::echo("exact"), Call::echo(""), Call::orders(&["fail as told"])] {
                    Session::first(stage, &call)?.0.is_silent()?;
                }
                Ok(())
            },
        ),
    ),
    InFormats(
        HOT,
        Entry::must(
            225,
            "Two calls at once",
            "Bytes of the next call that come with those of this one are not lost.",
            |stage| {
                let format = stage.subject.format;
                let mut session = Session::start(stage, &Call::echo(""))?;
                let both = [Call::echo("one").bytes(format), Call::echo("two").bytes(format)].concat();
                let first = session.exchange(&both)?;
                holds!(first.body == b"one", "the first of two calls was answered {}", first.brief());
                let second = session.answer_within(bounds::ANSWER).map_err(|_| {
                    Stop::broken("the second of two calls sent at once was never answered; keep what was read")
                })?;
                holds!(second.body == b"two", "the second of two calls was answered {}", second.brief());
                Ok(())
            },
        ),
    ),
    InFormats(
        &[Format::Http],
        Entry::must(
            226,
            "A body that the handler does not read",
            "What a handler leaves of a body is read over: the next call is served as ever.",
            |stage| {
                let left = Call::orders(&["text"]).bytes(stage.subject.format).repeat(1000);
                let (mut session, answer) = Session::first(stage, &Call::echo(left).header("Conformance-Unread", "1"))?;
                answer.is(200, "a call with an unread body")?;
                next(&mut session, "an unread body")
            },
        ),
    ),
    InFormats(
        DOCUMENTS,
        Entry::must(
            227,
            "Members of tomorrow, and white space",
            "A document may have members nobody knows yet, and be spread over lines.",
            |stage| {
                let call = Call::echo("hi");
                let mut session = Session::start(stage, &call)?;
                let document = if stage.subject.format == Format::Json { call.json() } else { call.event() };
                let answer = session.exchange(&strange(document))?.is(200, "a call with an unknown member")?;
                holds!(answer.body == b"hi", "it was answered {}", answer.brief());
                next(&mut session, "a call with an unknown member")
            },
        ),
    ),
    InFormats(
        HOT,
        Entry::better(
            228,
            "SIGTERM: it ends with 0",
            "A function asked to end by SIGTERM ends with exit code 0.",
            |stage| {
                let (mut session, _) = Session::first(stage, &Call::echo("hi"))?;
                session.process.signal(Signal::TERM);
                let status = session.process.ends_within(bounds::END);
                holds!(status.is_some_and(|s| s.success()), "after SIGTERM it came to {status:?}, not to exit code 0");
                Ok(())
            },
        ),
    ),
];

/// The next call of a session is served.
pub(super) fn next(session: &mut Session, after: &str) -> Run {
    match session.call(&Call::echo("next")) {
        Ok(answer) if answer.body == b"next" => Ok(()),
        Ok(answer) => Err(Stop::broken(format!("after {after} the next call was answered {}", answer.brief()))),
        Err(Stop::Broken(why)) => Err(Stop::broken(format!("after {after} the next call failed: {why}"))),
        Err(untold) => Err(untold),
    }
}
