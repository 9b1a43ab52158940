//! What a function prints, in the agent's own log.

use std::time::Instant;

use super::own::Own;
use super::stage::{Stage, script};
use crate::bounds;
use crate::case::{Entry, Needs};
use crate::check::{Run, Stop, holds};

/// The cap of the case about it, and the lines of log that come to twice as much.
const LOG_BYTES_MAX: usize = 8000;
const LINES: usize = 200;
/// What each of them begins with.
const LINE: &str = "line-of-the-flood";

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::should(
        114,
        "Whose log a line is",
        "A line printed during a call is in the host's log with the call's id; one printed after it is there without.",
        |stage: &Stage| {
            // It prints when no call is there to keep it awake.
            let (own, stage) = stage.own(&[("FN_FREEZE_IDLE_MSECS", "-1")])?;
            let function = stage.start("link")?;
            let (during, after) = (stage.name(), stage.name());
            // What is printed and answered at the same time may be read in any order.
            let steps = [&format!("say {during}"), "pause 200", "ok", &format!("say-later 300 {after}")];
            let answer = function.steps(&steps)?.is(200, "a call that prints")?;
            let id = answer.header("fn-call-id").unwrap_or_default().to_owned();
            holds!(!id.is_empty(), "the answer has no Fn-Call-Id");
            let line = logged(&own, &during)?;
            holds!(line.contains(&id), "a line printed during call {id} was logged as {line:?}");
            let line = logged(&own, &after)?;
            holds!(!line.contains(&id), "a line printed after call {id} was logged as its own: {line:?}");
            Ok(())
        },
    )
    .needs(Needs::Own),
    Entry::should(
        115,
        "The cap of a call's log",
        "Of a log longer than FN_MAX_LOG_SIZE_BYTES the rest is left out with a notice; the next call logs again.",
        |stage: &Stage| {
            let (own, stage) = stage.own(&[("FN_MAX_LOG_SIZE_BYTES", &LOG_BYTES_MAX.to_string())])?;
            let function = stage.start("link")?;
            let line = format!("{LINE} {}", "x".repeat(2 * LOG_BYTES_MAX / LINES));
            let flood: Vec<String> = (0..LINES).map(|_| format!("say {line}")).collect();
            let mut steps: Vec<&str> = flood.iter().map(String::as_str).collect();
            // What is printed and answered at the same time may be read in any order.
            steps.extend(["pause 300", "ok"]);
            let flooded = function.call(script(&steps))?.is(200, "a call that prints more than the cap")?;
            let last = stage.name();
            function.steps(&[&format!("say {last}"), "ok"])?.is(200, "the call after it")?;
            logged(&own, &last)?;
            let id = flooded.header("fn-call-id").unwrap_or_default().to_owned();
            let text = own.logs().map(|log| log.text()).concat();
            let kept = text.matches(LINE).count() * line.len();
            stage.transcript.note(format!("of {LINES} lines, {} bytes, {kept} bytes are logged", LINES * line.len()));
            holds!(kept > 0, "none of the lines before the cap is logged");
            holds!(kept <= LOG_BYTES_MAX + line.len(), "with a cap of {LOG_BYTES_MAX} bytes {kept} are logged");
            let notice = |line: &str| line.contains(&id) && !line.contains(LINE) && has_word(line);
            holds!(!id.is_empty() && text.lines().any(notice), "no line of the log says that there was more");
            Ok(())
        },
    )
    .needs(Needs::Own),
];

/// Does it say that something is missing?
fn has_word(line: &str) -> bool {
    let line = line.to_lowercase();
    ["truncat", "dropped", "cut", "left out", "exceed", "longer", "too long"].iter().any(|word| line.contains(word))
}

/// The line of the agent's log with `text` in it, which must come.
fn logged(own: &Own, text: &str) -> Run<String> {
    let until = Instant::now() + bounds::OUTPUT;
    loop {
        for log in own.logs() {
            if log.says(text, bounds::LOOK) {
                let all = log.text();
                let mut lines = all.split_inclusive('\n');
                // What follows the text in its line may still be on its way.
                if let Some(line) = lines.find(|line| line.contains(text) && line.ends_with('\n')) {
                    return Ok(line.to_owned());
                }
            }
        }
        if Instant::now() > until {
            return Err(Stop::broken(format!(
                "{text:?}, which the function printed, is not in the agent's log within {:?} (FN_LOG_LEVEL=debug)",
                bounds::OUTPUT
            )));
        }
    }
}
