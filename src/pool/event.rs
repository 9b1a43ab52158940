//! What a function's queue is told, and what it says is to be done.

use std::time::{Duration, Instant};

use hotfn_protocols::{Fault, Reuse};

use super::rules::{Need, Rules};

/// A container, within its function's queue.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ContainerId(pub u64);

/// A call that waits, within its function's queue. Later ones are greater.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ticket(pub u64);

/// What the queue is told. `W` is what a waiting call leaves behind to be reached by, `C` a hot
/// container's handle.
#[derive(Debug)]
pub enum Event<W, C> {
    /// The node grants room for one container.
    Allowed(Need),
    /// A call wants a slot. Tickets grow from one arrival to the next.
    Arrived(Ticket, W),
    /// The function is gone, or the node is going: nobody waits any more, idle containers go.
    Closed(Closing),
    /// The node has no room and does not let us wait for it.
    Denied,
    /// A container ended by itself.
    Died(ContainerId),
    /// Its room is wanted by another function.
    Evict(ContainerId),
    /// A launch came to nothing; what is left of it is being cleared away.
    Failed(ContainerId, Fault),
    /// A call is done with its slot.
    Finished(ContainerId, Reuse),
    /// Nothing is left of a container that was retired, died or failed.
    Gone(ContainerId),
    /// A call does not wait any more.
    Left(Ticket),
    /// A launched container can take calls.
    Ready(ContainerId, C),
    /// The function changed: new containers for calls from now on.
    Replaced(Rules),
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Debug)]
pub enum Action<W, C> {
    /// Freeze an idle container.
    Freeze(ContainerId, C),
    /// A waiting call has a slot.
    Give(W, Granted<C>),
    /// Start a container, which has waited so long for room.
    Launch(ContainerId, Duration),
    /// A waiting call gets none.
    Refuse(W, Refusal),
    /// Give room back to the node.
    Release(Need),
    /// End a container. `None`: it was never made, its call starts and ends it.
    Retire(ContainerId, Option<C>),
    /// Take one wish for so much room back.
    Unwant(Need),
    /// Call [`Event::Tick`] at this moment, or soon after.
    Wake(Instant),
    /// Ask the node for room for one container.
    Want(Need),
}

/// A slot: the right to one call in one container.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Granted<C> {
    /// The container.
    pub container: ContainerId,
    /// Its handle; `None` for a cold function, whose call starts the container itself.
    pub handle: Option<C>,
    /// It is frozen and must be thawed first.
    pub thaw: bool,
    /// How long it has idled; `None` if it has not.
    pub idle: Option<Duration>,
}

/// Why a queue closes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Closing {
    /// The node goes down.
    Draining,
    /// The function was taken away.
    Removed,
}

/// Why a call gets no slot.
#[derive(Debug)]
pub enum Refusal {
    /// The queue is full, the wait took too long, or the node is full and does not let wait.
    Busy(&'static str),
    /// The queue is closed.
    Closed(Closing),
    /// The launch made for this very call failed.
    Launch(Fault),
}
