//! One call: what comes in, and what goes out.

use std::time::{Duration, Instant, SystemTime};

use hotfn_protocols::{Deadline, Format};

use super::call::{Call, URL};
use super::session::Session;
use super::{ALL, HOT, InFormats};
use crate::bounds;
use crate::case::Entry;
use crate::check::{Run, holds};
use crate::stage::Stage;

/// Text that has to be escaped in documents, and must come back as it was.
const TEXT: &str = "\"quoted\" \\ / <&> \t\u{1} é \u{2028} \u{1f600} { [";
/// A large body.
const LARGE_BYTES: usize = 1 << 20;

pub(super) const CASES: &[InFormats] = &[
    InFormats(
        ALL,
        Entry::must(201, "A call is answered", "A call on standard input is answered on standard output.", |stage| {
            echoes(stage, b"hi")
        }),
    ),
    InFormats(ALL, Entry::must(202, "No body", "A call without a body is answered.", |stage| echoes(stage, b""))),
    InFormats(
        ALL,
        Entry::must(
            203,
            "A body comes back as it was",
            "Bodies are bytes in the formats default and http, and text in the others: nothing is lost.",
            |stage| {
                if matches!(stage.subject.format, Format::Default | Format::Http) {
                    echoes(stage, &(0..=u8::MAX).collect::<Vec<_>>())
                } else {
                    echoes(stage, TEXT.as_bytes())
                }
            },
        ),
    ),
    InFormats(
        ALL,
        Entry::must(204, "A body of 1 MiB", "Bodies may be larger than a pipe holds.", |stage| {
            let body = stage.random.borrow_mut().letters(LARGE_BYTES);
            echoes(stage, body.as_bytes())
        }),
    ),
    InFormats(
        ALL,
        Entry::must(
            205,
            "What the user sees of a call",
            "Method, URL, call id, deadline and every value of every header reach the user.",
            sees,
        ),
    ),
    InFormats(
        HOT,
        Entry::must(
            206,
            "Status and headers of the user",
            "The user's status, headers and content type are the answer's own in these formats.",
            |stage| {
                let orders = [
                    "status 404",
                    "header X-Own mine",
                    "header Set-Cookie a=1",
                    "header Set-Cookie b=2",
                    "type text/x-own",
                ];
                let (_, answer) = Session::first(stage, &Call::orders(&orders))?;
                holds!(answer.status == 404, "the user's status 404 was sent as {}", answer.status);
                for (name, wanted) in [("x-own", &["mine"][..]), ("set-cookie", &["a=1", "b=2"])] {
                    let found = answer.all(name);
                    holds!(found == wanted, "the user's header {name} {wanted:?} was sent as {found:?}");
                }
                let found = answer.header("content-type").unwrap_or("absent");
                holds!(found.starts_with("text/x-own"), "the user's content type text/x-own was sent as {found}");
                Ok(())
            },
        ),
    ),
    InFormats(
        ALL,
        Entry::must(
            207,
            "A handler's error shows",
            "A call that failed is answered with a status of 500 or above; over default the exit code is not 0.",
            |stage| fails(stage, "fail as told").map(drop),
        ),
    ),
    InFormats(
        ALL,
        Entry::must(
            208,
            "A deadline that is none, or is absent",
            "A malformed or empty deadline is as good as none: the call is served.",
            |stage| {
                for deadline in ["tomorrow", ""] {
                    let call = Call { deadline: deadline.to_owned(), ..Call::echo("hi") };
                    Session::first(stage, &call)?.1.is(200, &format!("a call with the deadline {deadline:?}"))?;
                }
                Ok(())
            },
        ),
    ),
    InFormats(
        ALL,
        Entry::should(
            209,
            "A handler that returns nothing",
            "A handler without a result is answered with success and an empty body.",
            |stage| {
                let (_, answer) = Session::first(stage, &Call::orders(&["nothing"]))?;
                let answer = answer.is(200, "a handler without a result")?;
                holds!(answer.body.is_empty(), "a handler without a result was answered {}", answer.brief());
                Ok(())
            },
        ),
    ),
    InFormats(
        ALL,
        Entry::should(
            210,
            "What the user prints is no answer",
            "Standard output is the wire: what the user's code prints goes to the log instead.",
            |stage| {
                let (session, answer) = Session::first(stage, &Call::orders(&["print printed by the user"]))?;
                let answer = answer.is(200, "a call that prints")?;
                holds!(answer.body == b"done", "a call that prints was answered {}", answer.brief());
                let printed = session.process.stderr.says("printed by the user", bounds::OUTPUT);
                holds!(printed, "what the user printed is not on standard error");
                Ok(())
            },
        ),
    ),
];

fn echoes(stage: &Stage, body: &[u8]) -> Run {
    let (_, answer) = Session::first(stage, &Call::echo(body))?;
    let answer = answer.is(200, "an echo")?;
    let differs = answer.body.iter().zip(body).position(|(came, sent)| came != sent);
    holds!(
        answer.body == body,
        "{} bytes came back as {}, different from byte {} on: {}",
        body.len(),
        answer.body.len(),
        differs.unwrap_or_else(|| answer.body.len().min(body.len())),
        answer.brief()
    );
    Ok(())
}

/// A call with an order that fails shows that.
pub(super) fn fails(stage: &Stage, order: &str) -> Run<Session> {
    let (session, answer) = Session::first(stage, &Call::orders(&[order]))?;
    holds!(answer.status >= 500, "told to {order} it answered {}, which is no failure", answer.brief());
    Ok(session)
}

fn sees(stage: &Stage) -> Run {
    let call = Call { method: "PUT", ..Call::orders(&["report"]).header("X-Twice", "1").header("X-Twice", "2") };
    let (_, answer) = Session::first(stage, &call)?;
    let told = answer.told()?;
    holds!(told.method.as_deref() == Some("PUT"), "the method PUT is {:?} to the user", told.method);
    holds!(told.url.as_deref() == Some(URL), "the URL {URL} is {:?} to the user", told.url);
    holds!(told.call_id.as_deref() == Some(call.id), "the call id {} is {:?} to the user", call.id, told.call_id);
    let wanted = moment(&call.deadline);
    let found = told.deadline.as_deref().map(moment);
    holds!(found == Some(wanted), "the deadline {} is {:?} to the user", call.deadline, told.deadline);
    // The environment has no other way to say two.
    let found = told.header("x-twice").join(", ");
    holds!(found == "1, 2", "the values 1 and 2 of X-Twice are {:?} to the user", told.header("x-twice"));
    Ok(())
}

/// The second it is in: all that a clock read twice agrees on.
fn moment(text: &str) -> Option<Duration> {
    let deadline = Deadline::parse(text, Instant::now(), SystemTime::now())?;
    let since = deadline.wall().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Duration::from_secs(since.as_secs()))
}
