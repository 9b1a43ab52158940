//! Which container serves a call.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::stage::{Deployed, Stage, script, sight};
use crate::case::Entry;
use crate::check::{Run, Stop, holds};
use crate::wire::Request;
use crate::witness::Sight;

/// Callers of the case that has many.
const CALLERS: usize = 100;
/// A pause in which an agent freezes a container, and before which it may wait a little.
const IDLE: Duration = Duration::from_secs(2);
/// A pause after which an agent has noticed that a process ended.
const ENDED: Duration = Duration::from_millis(500);
/// How long an agent may serve what was there before a change.
const CACHE: Duration = Duration::from_secs(6);

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        107,
        "Two calls at once",
        "Two calls of one function at the same time have a container each.",
        |stage| {
            let function = stage.start("link")?;
            let pause = function.request(script(&["pause 1000", "saw"]));
            let seen = at_once(&function, &pause, 2)?;
            holds!(seen[0] != seen[1], "two calls at once were served by one container");
            Ok(())
        },
    ),
    Entry::must(
        108,
        "Never two calls in one container",
        "However many call, a container has one call at a time.",
        |stage| {
            let function = stage.start("link")?;
            let asks = function.request(script(&["pause 5", "saw"]));
            at_once(&function, &asks, CALLERS)?;
            let most = function.sees(&function.request("who"))?.together_max;
            holds!(most == 1, "a container had {most} calls at once");
            Ok(())
        },
    ),
    Entry::must(109, "One call after another", "Calls that do not overlap are served by one container.", |stage| {
        let function = stage.start("link")?;
        let first = function.container()?;
        for _ in 0..20 {
            let next = function.container()?;
            holds!(next == first, "the next call was served by another container");
        }
        Ok(())
    }),
    Entry::must(
        110,
        "A changed function",
        "After a change of its config a function is served by new containers, at most 5 s later.",
        |stage| {
            let function = stage.deploy(&json!({ "VERSION": "one" }))?;
            let before = function.container()?;
            let change = json!({ "config": { "VERSION": "two" } });
            stage.api("PUT", &format!("/v2/fns/{}", function.id), Some(&change))?.is(200, "a change of config")?;
            soon(CACHE, "a container with the new config", || {
                let seen = function.sees(&function.request("who"))?;
                Ok(seen.container != before && seen.environment.get("VERSION").is_some_and(|v| v == "two"))
            })
        },
    ),
    Entry::must(
        111,
        "After the idle timeout",
        "A container that was idle for its idle timeout ends; the next call starts another.",
        |stage: &Stage| {
            let function = stage.deploy_as(&json!({ "idle_timeout": 1 }))?;
            let before = function.container()?;
            // The pause is the case.
            thread::sleep(Duration::from_secs(3));
            let now = function.container()?;
            holds!(now != before, "three seconds after an idle timeout of one the same container served");
            Ok(())
        },
    )
    .waits(),
    Entry::must(
        112,
        "A container that was idle for a while",
        "One that was frozen while it was idle used no processor, and serves the next call.",
        |stage: &Stage| {
            let function = stage.start("link")?;
            // From now on it computes whenever it may.
            let before = sight(&function.steps(&["spin", "saw"])?)?;
            // The pause is the case.
            thread::sleep(IDLE);
            let after = function.sees(&function.request("who"))?;
            holds!(after.container == before.container, "after {IDLE:?} of idling another container served");
            let used = Duration::from_millis(after.cpu_ms.saturating_sub(before.cpu_ms));
            holds!(
                used < IDLE / 3,
                "in {IDLE:?} of idling the function used {used:?} of a processor; a frozen one uses none"
            );
            Ok(())
        },
    )
    .waits(),
    Entry::must(
        113,
        "A process that ends while idle",
        "The next call is served by another container, and its caller notices nothing.",
        |stage| {
            let function = stage.start("link")?;
            // Before an agent freezes it: a frozen process does not end.
            let answer = function.steps(&["later 10", "saw"])?;
            let before = sight(&answer)?.container;
            // The pause is the case: whoever called now would see it end at work.
            thread::sleep(ENDED);
            let now = function.container()?;
            holds!(now != before, "a process that had ended served the next call");
            Ok(())
        },
    ),
    Entry::should(
        116,
        "A flood on both streams",
        "A function that prints megabytes on standard output and error is not held up by that.",
        |stage| {
            let function = stage.start("link")?;
            function.steps(&["print 8000000", "ok"])?.is(200, "a call that prints 16 MB").map(drop)
        },
    ),
];

/// The containers that served `count` calls at the same time.
pub(super) fn at_once(function: &Deployed<'_>, request: &Request, count: usize) -> Run<Vec<String>> {
    Ok(sights(function, request, count)?.into_iter().map(|sight| sight.container).collect())
}

/// What was seen of `count` calls at the same time.
pub(super) fn sights(function: &Deployed<'_>, request: &Request, count: usize) -> Run<Vec<Sight>> {
    let (address, transcript) = (function.app.stage.address, &function.app.stage.transcript);
    let call = || crate::wire::Connection::to(address, transcript)?.call(request);
    thread::scope(|scope| {
        let calls: Vec<_> = (0..count).map(|_| scope.spawn(call)).collect();
        let answers = calls.into_iter().map(|call| call.join().expect("a call does not panic"));
        answers.map(|answer| sight(&answer?)).collect()
    })
}

/// Waits until it is so; each look is a call.
pub(super) fn soon(bound: Duration, what: &str, mut so: impl FnMut() -> Run<bool>) -> Run {
    let until = Instant::now() + bound;
    while !so()? {
        if Instant::now() > until {
            return Err(Stop::broken(format!("{bound:?} later the next call was not served by {what}")));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
