//! What the status says, whatever the user's code did; and what every answer carries.

use std::time::{Duration, SystemTime};

use crate::case::Entry;
use crate::check::{Run, Stop, holds};
use crate::stage::Stage;
use crate::wire::{Request, Unanswered, rfc3339};

/// How far ahead the deadline of case 23 is. Whole seconds are all it can say.
const SHORT: Duration = Duration::from_secs(2);
/// How long after its deadline a call may still be answered 504.
const GRACE: Duration = Duration::from_millis(700);

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(20, "A handler's error is 502", "A handler that fails is answered 502.", |stage| {
        stage.start()?.call(&Request::orders(&["fail as told"]))?.is(502, "a failed call").map(drop)
    }),
    Entry::must(
        21,
        "A handler's panic is 502, and the process lives",
        "A handler that panics, or throws what nobody expects, is answered 502, and the same process serves the next call.",
        |stage| {
            let mut function = stage.start()?;
            function.call(&Request::orders(&["panic as told"]))?.is(502, "a panic in the handler")?;
            function.still_serves("a panic in the handler")
        },
    ),
    Entry::should(
        22,
        "A handler that returns nothing",
        "A handler without a result is answered 200 with an empty body, and the process lives.",
        |stage| {
            let mut function = stage.start()?;
            let answer = function.call(&Request::orders(&["nothing"]))?.is(200, "a handler without a result")?;
            holds!(answer.body.is_empty(), "a handler without a result was answered {}", answer.brief());
            function.still_serves("a handler without a result")
        },
    ),
    Entry::should(
        23,
        "A handler that outlives its deadline",
        "A call whose deadline is over is answered 504 or not at all, and the process lives.",
        outlives,
    ),
    Entry::must(
        24,
        "A plain call does not show the user's status",
        "Without a gateway the status of a success is 200, whatever the user set.",
        |stage| {
            stage.start()?.call(&Request::orders(&["status 404"]))?.is(200, "a user's 404 on a plain call").map(drop)
        },
    ),
    Entry::must(32, "Two Set-Cookie are two", "A header that the user set twice is sent twice.", |stage| {
        let asks = Request::orders(&["header Set-Cookie a=1", "header Set-Cookie b=2"]);
        let answer = stage.start()?.call(&asks.gateway("GET", "http://h/"))?.is(200, "an answer with two cookies")?;
        let found = answer.all("fn-http-h-set-cookie");
        holds!(found == ["a=1", "b=2"], "two cookies, a=1 and b=2, were sent as {found:?}");
        Ok(())
    }),
    Entry::must(
        36,
        "Fn-Fdk-Version on success",
        "Every success says which kit made it: Fn-Fdk-Version: fdk-<language>/<version>.",
        |stage| version(stage, &Request::echo("hi"), 200),
    ),
    Entry::should(37, "Fn-Fdk-Version on failure", "A 502 says so as well.", |stage| {
        version(stage, &Request::orders(&["fail as told"]), 502)
    }),
    Entry::should(
        38,
        "Fn-Fdk-Runtime",
        "Every answer says what runs it: Fn-Fdk-Runtime: <language>/<version>.",
        |stage| {
            let answer = stage.start()?.call(&Request::echo("hi"))?;
            let found = answer.header("fn-fdk-runtime").unwrap_or_default();
            holds!(found.contains('/'), "Fn-Fdk-Runtime is {found:?}; it names the language and its version");
            Ok(())
        },
    ),
    Entry::should(
        43,
        "A content type for what has none",
        "Where the user set none: text/plain for text, application/json for JSON, application/octet-stream for bytes.",
        |stage| {
            let function = stage.start()?;
            for (order, wanted) in
                [("text", "text/plain"), ("json", "application/json"), ("bytes", "application/octet-stream")]
            {
                let answer = function.call(&Request::orders(&[order]))?.is(200, order)?;
                let found = answer.header("content-type").unwrap_or("absent");
                holds!(found.starts_with(wanted), "the content type of a result of {order} is {found}, not {wanted}");
            }
            Ok(())
        },
    ),
    Entry::should(
        44,
        "Headers that are not the function's to set",
        "An answer has no Fn-Call-Id, and nothing that belongs to a connection.",
        |stage| {
            let answer = stage.start()?.call(&Request::echo("hi"))?.is(200, "an echo")?;
            for name in NOT_ITS_OWN {
                let found = answer.header(name);
                holds!(
                    found.is_none(),
                    "the answer has {name}: {}; agents pass or double it",
                    found.unwrap_or_default()
                );
            }
            Ok(())
        },
    ),
];

/// What an answer must not carry. `Connection: keep-alive` is said by many, and means nothing.
const NOT_ITS_OWN: [&str; 7] =
    ["fn-call-id", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer", "upgrade"];

fn outlives(stage: &Stage) -> Run {
    let mut function = stage.start()?;
    let deadline = SystemTime::now() + SHORT;
    let request = Request::orders(&["sleep 30000"]).with("Fn-Deadline", rfc3339(deadline));
    let mut connection = function.connect()?;
    connection.send(&request.bytes())?;
    match connection.answer_within(SHORT + GRACE) {
        Ok(answer) => drop(answer.is(504, "a call whose deadline is over")?),
        Err(Unanswered::Silent | Unanswered::Closed(0)) => {}
        Err(other) => return Err(Stop::from(other)),
    }
    drop(connection);
    function.still_serves("a call that outlived its deadline")
}

fn version(stage: &Stage, request: &Request, status: u16) -> Run {
    let answer = stage.start()?.call(request)?.is(status, "the call asked for")?;
    let found = answer.header("fn-fdk-version").unwrap_or("absent");
    let language = found.strip_prefix("fdk-").and_then(|rest| rest.split_once('/'));
    holds!(
        language.is_some_and(|(language, version)| !language.is_empty() && !version.is_empty()),
        "Fn-Fdk-Version is {found} on a {status}; it must be fdk-<language>/<version>, by which metrics tell kits apart"
    );
    Ok(())
}
