//! One call, one slot, one deadline; says whether the container may be used again.

use std::time::Instant;

use hotfn_protocols::{Call, Deadline, Exit, Fault, Kind, ReplySink, Reuse, Verdict};

use crate::ends::End;
use crate::hot::Hot;
use crate::slot::Slot;

/// How a call ended, as far as its container was concerned.
pub(crate) struct Ended {
    /// When.
    pub(crate) at: Instant,
    /// What the caller is told instead of, or in the middle of, an answer.
    pub(crate) fault: Option<Fault>,
    /// The call itself, of which a container that went had read nothing: another may have it. Only if that
    /// one was used before, since another new one would be no better.
    pub(crate) back: Option<Box<Call>>,
}

/// Hands `call` to the container behind `slot`, which is there, and gives the slot back. Dropping this
/// future is the caller's leaving: what the call held is closed, and the slot knows what that means.
pub(crate) fn dispatch(
    mut slot: Slot,
    end: End,
    mut call: Call,
    sink: ReplySink,
) -> impl Future<Output = Ended> + Send {
    let deadline = call.deadline.expect("a call that holds a slot has a deadline");
    slot.begin(call.id, deadline);
    // No `async fn`: its future would hold each argument twice, and a call is large.
    async move {
        // Should this be dropped half way, the end goes first: its connection is closed before its slot is
        // another call's.
        let slot = slot;
        let mut end = end;
        let verdict = end.dispatch(&mut call, sink, deadline.at()).await;
        let hot = slot.hot().expect("a call is dispatched to a container that is there");
        let mut back = None;
        let (fault, reuse, end) = match verdict {
            Some(Verdict { fault: Some(fault), unread: true, .. }) if !slot.is_new() => {
                drop(end);
                back = Some(Box::new(call));
                (Some(fault), Reuse::Retire, None)
            }
            Some(Verdict { fault: None, reuse, .. }) => (None, reuse, Some(end)),
            Some(Verdict { fault: Some(fault), reuse: Reuse::Keep, .. }) => (Some(fault), Reuse::Keep, Some(end)),
            // Before the slot says that the container is to end: how it ends then is our doing.
            Some(Verdict { fault: Some(fault), reuse: Reuse::Retire, .. }) => {
                let fault = Box::pin(explain(fault, hot)).await;
                drop(end);
                (Some(fault), Reuse::Retire, None)
            }
            // Whatever the function does now, nobody will hear it: the connection goes with `end`.
            None => {
                drop(end);
                (Some(late(hot, deadline)), Reuse::Retire, None)
            }
        };
        let at = Instant::now();
        slot.finish(end, reuse, at);
        Ended { at, fault, back }
    }
}

fn late(hot: &Hot, deadline: Deadline) -> Fault {
    let (name, timeout) = (&hot.name, hot.function.timeout);
    Fault::new(Kind::TimedOut).because(if deadline.left(Instant::now()).is_zero() {
        format!("no whole answer within {timeout:?} (container {name})")
    } else {
        format!("no whole answer in time (container {name})")
    })
}

/// Adds how the container ended and its last words, where it ended. Only failed calls wait for that.
async fn explain(fault: Fault, hot: &Hot) -> Fault {
    if !matches!(fault.kind(), Kind::InvalidFrame | Kind::Receiving) {
        return fault;
    }
    let Some(exit) = hot.exit_within(hot.container().exit_known_within()).await else { return fault };
    if exit == Exit::OutOfMemory {
        return Fault::new(Kind::OutOfMemory).caused_by(fault);
    }
    match hot.log.last_words() {
        Some(words) => fault.and(format!("container ended with {exit}; its last words: {words}")),
        None => fault.and(format!("container ended with {exit}")),
    }
}
