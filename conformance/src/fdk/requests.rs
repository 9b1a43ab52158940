//! What a call says of itself, or leaves out: deadline, id, trace.

use std::time::{Duration, Instant, SystemTime};

use hotfn_protocols::Deadline;

use crate::case::Entry;
use crate::check::{Run, holds};
use crate::stage::Stage;
use crate::wire::{Request, rfc3339};

/// How far apart two ways of writing one deadline may come out.
const TOLERANCE: Duration = Duration::from_secs(1);
/// A trace as its header gives it.
const TRACE_ID: &str = "463ac35c9f6413ad48485a3953bb6124";

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        33,
        "A deadline in every spelling",
        "Fn-Deadline is RFC 3339: in UTC or with an offset, with a fraction or without.",
        |stage| {
            let function = stage.start()?;
            let due = SystemTime::now() + Duration::from_secs(90);
            let utc = rfc3339(due);
            let fraction = utc.replace('Z', ".250Z");
            let offset = rfc3339(due + Duration::from_secs(2 * 60 * 60)).replace('Z', "+02:00");
            for text in [utc, offset, fraction] {
                let asks = Request::orders(&["report"]).with("Fn-Deadline", &text);
                let told = function.call(&asks)?.told()?;
                let parsed = told.deadline.as_deref().and_then(moment);
                let near = parsed.is_some_and(|parsed| apart(parsed, due) <= TOLERANCE);
                holds!(near, "the deadline {text} is {:?} to the user", told.deadline);
            }
            Ok(())
        },
    ),
    Entry::must(34, "No deadline, no id", "A call without Fn-Deadline or without Fn-Call-Id is served.", |stage| {
        let function = stage.start()?;
        for name in ["Fn-Deadline", "Fn-Call-Id"] {
            function.call(&Request::echo("hi").without(name))?.is(200, &format!("a call without {name}"))?;
        }
        Ok(())
    }),
    Entry::must(
        35,
        "A deadline that is none",
        "A malformed Fn-Deadline is as good as none: the call is served.",
        |stage| {
            let function = stage.start()?;
            for text in ["tomorrow", "", "2026-13-45T99:99:99Z"] {
                let asks = Request::echo("hi").with("Fn-Deadline", text);
                function.call(&asks)?.is(200, &format!("a call with the deadline {text:?}"))?;
            }
            Ok(())
        },
    ),
    Entry::should(
        48,
        "Tracing",
        "The trace in x-b3-traceid reaches the user when OCI_TRACING_ENABLED is 1, and not when it is 0.",
        |stage| {
            holds!(trace(stage, "1")?.as_deref() == Some(TRACE_ID), "enabled, the user does not see the trace's id");
            let found = trace(stage, "0")?;
            holds!(found.is_none(), "disabled, the user sees the trace's id {found:?}");
            Ok(())
        },
    ),
];

fn trace(stage: &Stage, enabled: &str) -> Run<Option<String>> {
    let function = stage.start_with(|launch, _| {
        launch.environment.insert("OCI_TRACING_ENABLED".to_owned(), enabled.to_owned());
        // A port nobody listens on: what is sent there is lost, as it may be.
        launch.environment.insert("OCI_TRACE_COLLECTOR_URL".to_owned(), "http://127.0.0.1:9/api/v2/spans".to_owned());
    })?;
    let asks = Request::orders(&["report"])
        .header("x-b3-traceid", TRACE_ID)
        .header("x-b3-spanid", "a2fb4a1d1a96d312")
        .header("x-b3-sampled", "1");
    Ok(function.call(&asks)?.told()?.trace_id.filter(|id| !id.is_empty()))
}

fn moment(text: &str) -> Option<SystemTime> {
    Some(Deadline::parse(text, Instant::now(), SystemTime::now())?.wall())
}

fn apart(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|e| e.duration())
}
