//! Long pauses: between two calls, and of the whole process.
//!
//! An agent freezes idle containers, so a pause may be of any length and looks sudden from within.

use std::thread;

use rustix::process::Signal;

use crate::case::Entry;
use crate::check::{Run, Stop};
use crate::stage::Stage;
use crate::wire::{Connection, Request};

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        17,
        "A connection that was idle for long",
        "Connections have no idle timeout: after 150 s (15 s in the quick profile) the next call is served.",
        |stage: &Stage| {
            let mut function = stage.start()?;
            let mut connection = function.connect()?;
            connection.call(&Request::echo("before"))?.is(200, "the first call")?;
            stage.transcript.note(format!("idle for {:?}", stage.profile.idle()));
            let idle = stage.profile.idle();
            if connection.closes_within(idle) {
                return Err(Stop::broken(format!(
                    "the function closed a connection that was idle for less than {idle:?}; listeners have no idle or \
                     keep-alive timeout"
                )));
            }
            after(&mut connection)?;
            function.still_serves("a long pause")
        },
    )
    .waits(),
    Entry::must(
        18,
        "A process that was stopped for long",
        "Stopped and continued after 150 s (15 s in the quick profile), the next call is served: timers that fire at \
         once on waking close nothing.",
        |stage: &Stage| {
            let mut function = stage.start()?;
            let mut connection = function.connect()?;
            connection.call(&Request::echo("before"))?.is(200, "the first call")?;
            function.process.signal(Signal::STOP);
            stage.transcript.note(format!("SIGSTOP, {:?}, SIGCONT", stage.profile.idle()));
            // The pause is the case: nothing can happen in it that could be waited for.
            thread::sleep(stage.profile.idle());
            function.process.signal(Signal::CONT);
            after(&mut connection)?;
            function.still_serves("it was stopped and continued")
        },
    )
    .waits(),
];

fn after(connection: &mut Connection) -> Run {
    connection.call(&Request::echo("after"))?.is(200, "the call after a pause").map(drop)
}
