//! Connectors: streams of framed events from and to unix sockets.
//!
//! Each event may be a call of a function, and what comes of it goes back to the connection it came
//! from, to files, to other connectors. The two connectors are tremor's `unix_socket_server` and
//! `unix_socket_client`, with its names for options, codecs and processors.
//!
//! ```text
//!              ┌─ Inbound ─────────────┐                        ┌─ Outbound ─────────────┐
//! bytes read ─►│ preprocessors ► codec │► Event ─► call ─► Value│ codec ► postprocessors │► bytes written
//!              └───────────────────────┘            │           └────────────────────────┘
//!                                                   └─► files, other connectors
//! ```
//!
//! Read in this order:
//!
//! * [`definition`]: what a connector is to be, from [`options`] that a person wrote.
//! * [`stage`] and [`codec`]: frames of a stream, and what a frame says; a file each.
//! * [`inbound`], [`outbound`] and [`outbox`]: one connection's both directions, as machines that
//!   own no socket, task or clock. [`reconnect`] is another: when to try again.
//! * `session`: one connection, in one task; `wire` is its socket, `calls` what is under way.
//! * `server`, `client` and `datagram`: how sessions begin; `listener` is where the first and the last
//!   listen.
//! * `desk`: what all sessions of a connector share: `callee` and `batch` call, `sink` writes files
//!   (`appender`: whole frames, on a full disk too),
//!   `journal` keeps events until something came of them, `peers` and `mailbox` are how others
//!   reach a connection.
//! * [`Connectors`]: all of a node's, by name. [`World`] is what they reach beyond themselves, a
//!   [`Reading`] is what is seen of one.
//!
//! A peer's faults are its own: each connection has its own stages, its own bounds and its own task.
//! Absent on purpose: routing by content (functions do that), and transports other than unix
//! sockets.

mod appender;
mod batch;
mod callee;
mod calls;
mod client;
pub mod codec;
mod counts;
mod datagram;
pub mod definition;
mod desk;
mod feed;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod inbound;
mod journal;
mod listener;
mod mailbox;
pub mod options;
pub mod origin;
pub mod outbound;
pub mod outbox;
mod peers;
mod permissions;
pub mod reconnect;
#[cfg(test)]
mod round_trips;
mod server;
mod service;
mod session;
mod sink;
pub mod stage;
pub mod trouble;
mod wire;
mod world;

pub use counts::{Reading, Totals};
pub use definition::Definition;
pub use peers::Unreachable;
pub use service::{Connectors, SendError, StartError, Unknown};
pub use world::{Callable, Directory, World};
