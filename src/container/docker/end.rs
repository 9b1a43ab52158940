//! How a container has ended.
//!
//! That it has shows in the end of its streams, and the engine is asked only then. But the streams have no end
//! to be seen as long as something is in them that nobody takes; so whoever is stuck there asks the engine
//! meanwhile. To ask takes a connection for as long as there is no answer.

use std::sync::Arc;
use std::time::Duration;

use bollard::models::ContainerState;
use bollard::query_parameters::WaitContainerOptions;
use futures_util::StreamExt;
use hotfn_protocols::Exit;
use tokio::sync::watch;

use super::container::state;
use super::engine::{self, Engine};
use super::tally;

/// How often an engine that does not answer is asked how a container has ended,
const QUESTIONS_MAX: u32 = 5;
/// and the pause after the first; each further one is twice as long.
const QUESTION_PAUSE: Duration = Duration::from_secs(1);
/// The status of a process that a signal has ended is the signal's number above this.
const SIGNALLED: i64 = 128;
/// Signals have smaller numbers.
const SIGNALS_END: i64 = 65;
/// The signal that cannot be refused, which is also what a lack of memory ends with.
pub(super) const KILL: i32 = 9;

/// Tells how a container has ended.
#[derive(Debug)]
pub(super) struct End {
    engine: Arc<Engine>,
    /// The engine's own name of it.
    id: String,
    tell: watch::Sender<Option<Exit>>,
}

impl End {
    pub(super) fn new(engine: Arc<Engine>, id: String) -> Self {
        Self { engine, id, tell: watch::Sender::new(None) }
    }

    /// Where it is told.
    pub(super) fn heard(&self) -> watch::Receiver<Option<Exit>> {
        self.tell.subscribe()
    }

    /// Resolves when it has ended and that was told. Cancel safe.
    pub(super) async fn told(&self) {
        if self.tell.borrow().is_none() {
            let exit = outcome(&self.engine, &self.id).await;
            self.tell.send_replace(Some(exit));
        }
    }
}

/// How a container has ended, once it has.
async fn outcome(engine: &Engine, id: &str) -> Exit {
    let (mut pause, mut tries) = (QUESTION_PAUSE, 0);
    while tries < QUESTIONS_MAX {
        // Its streams may end a moment before it does, or long before if it closed them.
        let options = WaitContainerOptions { condition: "not-running".to_owned() };
        let _ = engine.api.wait_container(id, Some(options)).next().await;
        match state(engine, id).await {
            Ok(state) if state.running != Some(true) => {
                engine.tally.exit(u8::try_from(state.exit_code.unwrap_or_default()).unwrap_or(u8::MAX));
                return exit(&state);
            }
            // Somebody has removed it.
            Err(e) if engine::status(&e) == Some(404) => break,
            // It goes on. Some engines give a question up that has no answer for long.
            Ok(_) => (pause, tries) = (QUESTION_PAUSE, 0),
            Err(e) => {
                tries += 1;
                engine.tally.retry(tally::INSPECT, engine::status(&e).into());
                tracing::warn!(container = id, tries, "how did it end? {}", engine::why(&e));
            }
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Exit::Signal(KILL)
}

/// A container's init hands on the signal that ended the function as a status.
fn exit(state: &ContainerState) -> Exit {
    let code = state.exit_code.unwrap_or_default();
    let signal = code - SIGNALLED;
    match i32::try_from(signal) {
        // A kill that was not the main process's own end leaves it with another status.
        Ok(KILL) if state.oom_killed == Some(true) => Exit::OutOfMemory,
        Ok(signal) if (1..SIGNALS_END).contains(&i64::from(signal)) => Exit::Signal(signal),
        _ => Exit::Code(i32::try_from(code).unwrap_or(i32::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_tells_a_code_a_signal_and_a_want_of_memory() {
        let check = |code, oom, expected| {
            let state = ContainerState { exit_code: Some(code), oom_killed: Some(oom), ..ContainerState::default() };
            assert_eq!(exit(&state), expected, "{code} {oom}");
        };
        check(0, false, Exit::Code(0));
        check(3, false, Exit::Code(3));
        check(143, false, Exit::Signal(15));
        check(137, false, Exit::Signal(9));
        check(137, true, Exit::OutOfMemory);
        check(1, true, Exit::Code(1));
        check(128, false, Exit::Code(128));
        check(255, false, Exit::Code(255));
    }
}
