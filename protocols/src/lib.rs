//! What a call to a function looks like: the nouns, the five formats, and their wires.
//!
//! Read in this order:
//!
//! * [`Call`], [`Reply`], [`Fault`], [`Deadline`] and [`Body`]: what travels; [`Arrival`] and [`Due`]: what
//!   of it arrives.
//! * [`Format`]: the five names, and the factory that makes a container's end of one.
//! * [`ContainerIo`]: what an agent does with a hot container, whatever its format.
//! * one module a format, each with both directions of its wire side by side, so that the agent's
//!   end and the function's end test each other: [`mod@default`], [`mod@http`], [`http_stream`],
//!   [`json`], [`cloudevent`].
//! * [`http1`], [`gateway`] and [`hop`]: what the two formats that speak HTTP share.
//! * [`document`]: what the two that speak JSON share.
//! * [`sniff`]: what an answer is of which nobody said it.
//!
//! This room knows nothing of ours: not how a container was started, not what a route is. Its
//! frames are plain machines over bytes; only the thin shells that implement [`ContainerIo`] name
//! `tokio`'s reading and writing traits.

mod body;
mod call;
mod canonical;
pub mod cloudevent;
mod deadline;
pub mod default;
pub mod document;
mod due;
mod fault;
mod format;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod gateway;
mod headers;
pub mod hop;
pub mod http;
pub mod http1;
pub mod http_stream;
mod id;
mod io;
pub mod json;
mod limits;
pub mod names;
mod reply;
#[cfg(test)]
mod samples;
mod sink;
pub mod sniff;
mod stdio;
mod text;
mod waiter;

pub use body::{Body, BodyError};
pub use call::{Arrival, Call, Intent};
pub use deadline::Deadline;
pub use due::Due;
pub use fault::{Blame, Fault, Kind, RETRY_AFTER, Retry};
pub use format::{Format, Io, MismatchedEnds, UnknownFormat};
pub use headers::Headers;
pub use id::{CallId, FunctionId, NoCallId};
pub use io::{ContainerIo, Dial, Dialing, Ends, Exit, Exiting, Reuse, Stdin, Stdout, Stream, Verdict};
pub use limits::Limits;
pub use reply::{Head, Reply, Timing};
pub use sink::{CallerLeft, Gathered, ReplySink, ReplySource, reply_pipe};
pub use text::Text;
