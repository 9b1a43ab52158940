//! `default`: a process for each call, which reads its body and writes its answer.

use std::time::{Duration, Instant, SystemTime};

use hotfn_protocols::Deadline;

use super::speaking;
use crate::agent::stage::{Stage, fault, sight};
use crate::case::Entry;
use crate::check::{Run, holds};
use crate::witness::checksum;

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        155,
        "default: body in, body out",
        "The body is on standard input until its end, standard output is the answer, and each call has a process of \
         its own.",
        |stage| {
            let function = speaking(stage, "default")?;
            let body = stage.random.borrow_mut().bytes(100_000);
            let first = function.sees(&function.request(&body[..]))?;
            let same = first.body_bytes == body.len() && first.body_sum == checksum(&body);
            holds!(same, "of a body of {} bytes {} came, or others", body.len(), first.body_bytes);
            let second = function.sees(&function.request("").chunked())?;
            holds!(second.body_bytes == 0, "of a body without a byte {} came", second.body_bytes);
            holds!(first.container != second.container, "two calls were served by one process");
            let answer = function.steps(&["send just so"])?.is(200, "a process that writes and ends with 0")?;
            holds!(answer.body == b"just so", "what it wrote came as {}", answer.brief());
            Ok(())
        },
    ),
    Entry::must(
        156,
        "default: exit codes and environment",
        "A process that ends badly, or is killed, is told as 502; the environment says what the call is.",
        |stage| {
            let function = speaking(stage, "default")?;
            fault(&function.steps(&["send half of it", "exit 2"])?, 502, &["2"])?;
            // As whoever runs out of memory is.
            for step in ["crash", "exit 137"] {
                fault(&function.steps(&["send half of it", step])?, 502, &["memory", "137", "signal", "kill"])?;
            }
            environment(stage)
        },
    ),
];

fn environment(stage: &Stage) -> Run {
    let function = speaking(stage, "default")?;
    let path = function.trigger("/cold")?;
    let host = stage.address.to_string();
    let request = crate::wire::Request::plain("PUT", &format!("{path}?x=1"), &host)
        .header("X-Twice", "1")
        .header("X-Twice", "2")
        .body("hi");
    let called = SystemTime::now();
    let answer = stage.ask(&request)?;
    let seen = sight(&answer)?.environment;
    let id = answer.header("fn-call-id").unwrap_or("none");
    let url = format!("http://{host}{path}?x=1");
    for (name, wanted) in [
        ("FN_FORMAT", "default"),
        ("FN_APP_NAME", &function.app.name),
        ("FN_MEMORY", "64"),
        ("FN_TYPE", "sync"),
        ("FN_FN_ID", &function.id),
        ("FN_CALL_ID", id),
        ("FN_METHOD", "PUT"),
        ("FN_REQUEST_URL", &url),
        ("FN_HEADER_X-Twice", "1, 2"),
    ] {
        let found = seen.get(name).map_or("absent", String::as_str);
        holds!(found == wanted, "{name} is {found:?}, and must be {wanted:?}");
    }
    let route = seen.get("FN_PATH").map_or("absent", String::as_str);
    // An environment may be made before anybody knows which trigger is called.
    holds!(
        ["/cold", "/invoke"].contains(&route),
        "FN_PATH is {route:?}, and must be the trigger's source or \"/invoke\""
    );
    let text = seen.get("FN_DEADLINE").map_or("absent", String::as_str);
    let due = Deadline::parse(text, Instant::now(), SystemTime::now());
    holds!(due.is_some_and(|due| due.wall() > called), "FN_DEADLINE {text:?} is no moment after the call in RFC 3339");
    let shell = seen.get("FN_HEADER_X_TWICE").map(String::as_str);
    if shell != Some("1, 2") {
        stage.transcript.note("FN_HEADER_X_TWICE, which a shell could read, is not there");
    }
    holds!(due.is_some_and(|due| due.wall() < called + DEADLINE_MAX), "FN_DEADLINE {text:?} is far beyond the timeout");
    Ok(())
}

/// The function's timeout, and as much again for a slow machine.
const DEADLINE_MAX: Duration = Duration::from_secs(60);
