//! What a call prints.

use rustix::process::Signal;

use crate::bounds;
use crate::case::Entry;
use crate::check::{Run, holds};
use crate::function::Function;
use crate::stage::Stage;
use crate::wire::Request;

/// What the user's code prints, and how the line before it begins.
const PRINTED: &str = "printed by the user";
const FRAME: &str = "frame-of-a-call";
const FRAME_VALUE: &str = "value-7";

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::should(
        45,
        "A line before the output of each call",
        "With FN_LOGFRAME_NAME and FN_LOGFRAME_HDR set, a line <name>=<the header's value> goes to both streams before \
         the user's code prints.",
        |stage| {
            let function = framed(stage, true)?;
            function
                .call(&Request::orders(&[&print()]).header("X-Frame", FRAME_VALUE))?
                .is(200, "a call that prints")?;
            for (stream, output) in
                [("standard output", &function.process.stdout), ("standard error", &function.process.stderr)]
            {
                holds!(output.says(PRINTED, bounds::OUTPUT), "what the user printed did not come on {stream}");
                let text = output.text();
                let frame = text.find(&format!("{FRAME}={FRAME_VALUE}\n"));
                holds!(frame.is_some(), "there is no line {FRAME}={FRAME_VALUE} on {stream}: {text:?}");
                holds!(
                    frame < text.find(PRINTED),
                    "on {stream} the line is not before what the user printed: {text:?}"
                );
            }
            Ok(())
        },
    ),
    Entry::should(
        46,
        "No such line without its header or its variables",
        "If one of the variables or the header is missing, no line is written.",
        |stage| {
            for both in [true, false] {
                let function = framed(stage, both)?;
                let mut asks = Request::orders(&[&print()]);
                if !both {
                    asks = asks.header("X-Frame", FRAME_VALUE);
                }
                function.call(&asks)?.is(200, "a call that prints")?;
                holds!(function.process.stdout.says(PRINTED, bounds::OUTPUT), "what the user printed did not come");
                let text = format!("{}{}", function.process.stdout.text(), function.process.stderr.text());
                let missing = if both { "without the header" } else { "with one of the two variables only" };
                holds!(!text.contains(FRAME), "{missing} there is a line all the same: {text:?}");
            }
            Ok(())
        },
    ),
    Entry::should(
        47,
        "Output is there when the answer is",
        "What a call printed is flushed before its answer ends: the container may be frozen the next moment.",
        |stage| {
            let function = stage.start()?;
            function.call(&Request::orders(&[&print()]))?.is(200, "a call that prints")?;
            // From now on nothing more can be written; what was is in the pipe.
            function.process.signal(Signal::STOP);
            for (stream, output) in
                [("standard output", &function.process.stdout), ("standard error", &function.process.stderr)]
            {
                holds!(output.says(PRINTED, bounds::OUTPUT), "frozen after its answer, it had not flushed {stream}");
            }
            Ok(())
        },
    ),
];

fn print() -> String {
    format!("print {PRINTED}")
}

/// A function with both variables, or with the name alone.
fn framed(stage: &Stage, both: bool) -> Run<Function> {
    stage.start_with(|launch, _| {
        launch.environment.insert("FN_LOGFRAME_NAME".to_owned(), FRAME.to_owned());
        if both {
            launch.environment.insert("FN_LOGFRAME_HDR".to_owned(), "X-Frame".to_owned());
        }
    })
}
