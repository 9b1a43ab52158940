//! One call, one slot, one deadline; says whether the container may be used again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hotfn_protocols::{Call, ContainerIo as _, Deadline, Exit, Fault, Io, Kind, ReplySink, Reuse, Verdict};

use crate::hot::Hot;
use crate::slot::Slot;

/// How long a fault may wait to learn how its container ended. Only failed calls wait.
const EXIT_WAIT: Duration = Duration::from_millis(50);

/// Hands `call` to the container behind `slot` and gives the slot back. Dropping this future is the
/// caller's leaving: what the call held is closed, and the slot knows what that means.
pub(crate) async fn dispatch(
    mut slot: Slot,
    hot: Arc<Hot>,
    mut end: Io,
    mut call: Call,
    deadline: Deadline,
    sink: ReplySink,
) -> Option<Fault> {
    let id = call.id;
    call.deadline = Some(deadline);
    slot.begin(id);
    let verdict = tokio::time::timeout_at(deadline.at().into(), end.dispatch(call, sink)).await;
    match verdict {
        Ok(Verdict { fault: None, reuse, .. }) => {
            slot.finish(Some(end), reuse);
            None
        }
        Ok(Verdict { fault: Some(fault), reuse, .. }) => {
            // Before the slot says that the container is to end: how it ends then is our doing.
            let fault = if reuse == Reuse::Retire { explain(fault, &hot).await } else { fault };
            slot.finish(Some(end), reuse);
            Some(fault)
        }
        Err(_) => {
            // Whatever the function does now, nobody will hear it: the connection goes with `end`.
            drop(end);
            slot.finish(None, Reuse::Retire);
            let timeout = hot.function.timeout;
            Some(Fault::new(Kind::TimedOut).because(match deadline.left(Instant::now()) {
                left if left.is_zero() => format!("no whole answer within {timeout:?} (container {})", hot.name),
                _ => format!("no whole answer in time (container {})", hot.name),
            }))
        }
    }
}

/// Adds how the container ended and its last words, where it ended.
async fn explain(fault: Fault, hot: &Hot) -> Fault {
    if !matches!(fault.kind(), Kind::InvalidFrame | Kind::Receiving) {
        return fault;
    }
    let Some(exit) = hot.exit_within(EXIT_WAIT).await else { return fault };
    if exit == Exit::OutOfMemory {
        return Fault::new(Kind::OutOfMemory).caused_by(fault);
    }
    match hot.log.last_words() {
        Some(words) => fault.and(format!("container ended with {exit}; its last words: {words}")),
        None => fault.and(format!("container ended with {exit}")),
    }
}
