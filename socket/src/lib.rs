//! Unix sockets done carefully.
//!
//! A unix socket looks like a file and behaves like a trap. Its address holds 107 bytes, however
//! deep the file lies. The file outlives the process that made it, and nothing about it tells
//! whether anybody still listens. It is there before its mode is right, and before anybody accepts.
//! Whoever may write to its directory can put a link in its place that leads anywhere. And a
//! non-blocking `connect` to a listener whose backlog is full does not wait: it fails.
//!
//! This room answers each of these once, for every listener and every connection of ours:
//!
//! * [`announce`]: a function says that it is there, under the name it was given, so that the name
//!   appears only when everything behind it is right.
//! * [`claim`]: a server takes a path for itself alone, tells a dead owner from a living one, and
//!   takes away at its end only what is still its own. [`adopt`](adopt()) has it go over to another
//!   process with its socket.
//! * [`Dir`]: a directory held open. [`Dir::look`] finds the socket of a name in it, and follows
//!   links only to names beside them; [`Socket::connect`] reaches exactly what was found.
//! * [`ready()`]: any other socket, for those who read and write it themselves.
//! * [`Stream`]: a connection that is not woken for what nobody waits for.
//! * [`Impatient`]: a connection that fails when the peer takes nothing of what is written.
//! * [`Packets`]: a connection that keeps the bounds of what is sent, and carries open files along;
//!   what was cut on the way is an error and not a surprise.
//! * [`Peer`]: who is at the other end, as far as the kernel vouches for it.
//! * [`inherited`]: sockets that a service manager opened for us.
//! * [`Backoff`]: pauses that grow, for whatever has to be tried again.
//!
//! No path here is too long: what does not fit an address is reached through the descriptor of its
//! directory, as `/proc/self/fd/N/name`.
//!
//! Absent on purpose: what is said over a socket, and who may say it.

mod activation;
mod address;
mod announce;
mod backoff;
mod claim;
mod connect;
mod dir;
mod error;
mod file;
mod impatient;
mod kind;
mod packet;
mod peer;
mod ready;
mod stream;
mod sys;

pub use activation::{INHERITED_MAX, Inherited, inherited};
pub use address::Owner;
pub use announce::{Announced, Sign, announce};
pub use backoff::Backoff;
pub use claim::{Claim, adopt, claim};
pub use connect::{connect, connect_of, connect_packets, connect_packets_within};
pub use dir::{Dir, LINKS_MAX, LookError, Socket};
pub use error::SocketError;
pub use impatient::Impatient;
pub use kind::{Datagrams, Kind, Listener};
pub use packet::{AsyncPacketListener, AsyncPackets, FILES_MAX, PacketListener, Packets, Received};
pub use peer::{OVERFLOW_ID, Peer};
pub use ready::ready;
pub use stream::{Stream, Watched};

/// Connections that may wait to be accepted, for every listener of ours. The kernel lowers it to
/// `net.core.somaxconn`.
pub const BACKLOG: i32 = 1024;
