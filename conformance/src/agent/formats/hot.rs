//! One call after another over one pair of pipes: no answer is another call's.

use std::thread;
use std::time::Duration;

use serde_json::json;

use super::speaking;
use crate::agent::stage::{Stage, sight};
use crate::case::Entry;
use crate::check::{Run, holds};
use crate::witness::checksum;

/// The formats in which a container has more than one call.
const HOT: [&str; 3] = ["http", "json", "cloudevent"];
/// Calls in each, and the most bytes of their bodies.
const CALLS: usize = 1000;
const BODY_BYTES_MAX: usize = 2000;
/// Long enough for what a function writes after its answer, by then.
const AFTERWARDS: Duration = Duration::from_millis(300);

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        170,
        "1000 calls over pipes",
        "Calls with bodies of any size, one after another, each get their own answer, all from one container.",
        |stage| HOT.iter().try_for_each(|format| one_after_another(stage, format)),
    ),
    Entry::must(
        171,
        "An answer that nobody asked for",
        "What a function writes before a call is never taken for the answer to it.",
        |stage| HOT.iter().try_for_each(|format| unasked(stage, format)),
    ),
];

fn one_after_another(stage: &Stage, format: &str) -> Run {
    let function = speaking(stage, format)?;
    let container = function.container()?;
    for number in 1..=CALLS {
        let size = stage.random.borrow_mut().below(BODY_BYTES_MAX);
        let body = format!("call {number} {}", stage.random.borrow_mut().letters(size));
        let seen = sight(&function.call(body.as_str())?)?;
        let same = seen.body_bytes == body.len() && seen.body_sum == checksum(body.as_bytes());
        holds!(same, "in {format} call {number} was answered as if its body had {} bytes", seen.body_bytes);
        holds!(seen.container == container, "in {format} call {number} was served by another container");
    }
    Ok(())
}

fn unasked(stage: &Stage, format: &str) -> Run {
    let function = speaking(stage, format)?;
    let forged = match format {
        "http" => "HTTP/1.1 200 OK%0d%0aContent-Length: 6%0d%0a%0d%0aforged".to_owned(),
        "json" => format!("{}%0a", json!({ "body": "forged" })),
        _ => format!("{}%0a", json!({ "contentType": "text/plain", "data": "forged" })),
    };
    for round in 1..=3 {
        // As soon after the answer as it is no part of it: later it may be frozen.
        let steps = super::steps(&["ok".to_owned(), format!("write-later 10 {forged}")]);
        function.call(steps)?.is(200, "an answer")?;
        // The pause is the case.
        thread::sleep(AFTERWARDS);
        let answer = function.call("who")?;
        holds!(answer.body != b"forged", "in {format} what was written before call {round} is its answer");
        sight(&answer)?;
    }
    Ok(())
}
