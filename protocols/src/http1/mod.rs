//! HTTP/1.x as bytes: heads, lengths and chunks, both directions side by side.
//!
//! Two formats speak HTTP/1.1, one over a socket and one over pipes, and each has two ends. What
//! they share is here. It owns no socket, task or clock: bytes go in, [`Event`]s come out, and the
//! other way round bytes are appended to a buffer that somebody else writes.
//!
//! * [`RequestDecoder`] and [`ResponseDecoder`] take any split of their input from a buffer that
//!   outlives the message, so that what follows an answer is still there to be noticed.
//! * [`encode`] appends heads and chunks to a buffer; a small body goes behind its head, so that a
//!   message is one write.
//! * [`Served`] is the serving side of a connection: the thin shell around the two, shared by a
//!   node's front and by functions.
//! * [`Length`] says where a body ends, and is decided in one place for both directions.
//!
//! A body's bytes and a head's values are slices of the buffer they were read into: nothing is
//! copied, and nothing is allocated for a header but its place in the map.
//!
//! The peer is one function, or one agent, and hostile until proven otherwise. Everything it can
//! make us hold is bounded by [`Limits`]. What two readers could understand in two ways (two
//! lengths, both a length and chunks, a sign or a space in a number, a folded line) is refused
//! rather than guessed.
//!
//! Absent on purpose: trailers are read over, transfer codings other than `chunked` are refused,
//! and nothing is upgraded, pipelined or compressed.

mod body;
pub mod encode;
mod exchange;
mod framing;
mod head;
mod held;
mod inbox;
mod lines;
mod outbox;
mod request;
mod response;
#[cfg(test)]
pub(crate) mod scripted;
pub(crate) mod served;
#[cfg(test)]
mod tests;
mod uplink;

use bytes::Bytes;

pub(crate) use self::exchange::{Broken, Exchange};
pub use self::framing::Length;
pub(crate) use self::inbox::Inbox;
pub use self::lines::Lines;
pub(crate) use self::lines::NAME_BYTES_MAX;
pub(crate) use self::outbox::Outbox;
pub use self::request::{RequestDecoder, RequestHead};
pub use self::response::{ResponseDecoder, ResponseHead};
pub use self::served::{Answering, Refused, Served, Unsent};
pub(crate) use self::uplink::Upload;

/// How much of one message a decoder holds or reads over. Bodies are not held, so have no bound
/// here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Most bytes of a head, its blank line included. Default: 1 MiB.
    pub head_bytes_max: usize,
    /// Most headers of a head. Default: 256.
    pub headers_max: usize,
    /// Most bytes of a line that says how long a chunk is, extensions and line break included.
    /// Default: 1 KiB.
    pub chunk_line_bytes_max: usize,
    /// Most bytes of trailers, which are dropped. Default: 16 KiB.
    pub trailer_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes_max: 1 << 20, headers_max: 256, chunk_line_bytes_max: 1 << 10, trailer_bytes_max: 16 << 10 }
    }
}

impl From<&crate::Limits> for Limits {
    fn from(limits: &crate::Limits) -> Self {
        Self {
            head_bytes_max: limits.response_head_bytes_max,
            headers_max: limits.response_headers_max,
            ..Self::default()
        }
    }
}

/// What a decoder found next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event<H> {
    /// The message begins.
    Head(H),
    /// Some of its body, never empty. Where one piece ends and the next begins means nothing.
    Data(Bytes),
    /// The message is over. What the buffer still holds belongs to whatever comes next.
    End,
}

/// Why bytes are not a message. Nothing after them can be trusted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Invalid {
    /// Data of a chunk is not followed by a line break.
    #[error("chunk is longer than it said")]
    ChunkEnd,
    /// A chunk does not begin with a plain hexadecimal number that 64 bits can hold.
    #[error("chunk size is not a number")]
    ChunkSize,
    /// The line that says how long a chunk is passes its bound.
    #[error("line of a chunk's size is longer than {max} bytes")]
    ChunkLineTooLong {
        /// The bound, in bytes.
        max: usize,
    },
    /// `Content-Length` is not one plain number.
    #[error("content-length {0:?} is not one number")]
    ContentLength(String),
    /// The stream ended within the message.
    #[error("stream ended within the {0}")]
    Cut(Part),
    /// The head is not one.
    #[error("head cannot be read: {0}")]
    Head(String),
    /// The head passes its bound.
    #[error("head is larger than {max} bytes")]
    HeadTooLarge {
        /// The bound, in bytes.
        max: usize,
    },
    /// None, or more than one, where one `Host` is to be.
    #[error("request has {0} host headers, and should have one")]
    Hosts(usize),
    /// `101`: the peer went on to speak something that nobody asked for.
    #[error("status 101 switches to a protocol that was not asked for")]
    Switched,
    /// More headers than the bound.
    #[error("head has more than {max} headers")]
    TooManyHeaders {
        /// The bound.
        max: usize,
    },
    /// The trailers pass their bound.
    #[error("trailers are larger than {max} bytes")]
    TrailersTooLarge {
        /// The bound, in bytes.
        max: usize,
    },
    /// `Transfer-Encoding` is something else than `chunked`, or stands in an HTTP/1.0 head.
    #[error("transfer-encoding is not chunked alone")]
    TransferEncoding,
    /// Both `Content-Length` and `Transfer-Encoding`.
    #[error("both content-length and transfer-encoding")]
    TwoLengths,
    /// Neither HTTP/1.0 nor HTTP/1.1, or no HTTP at all.
    #[error("head cannot be read: invalid HTTP version")]
    Version,
}

/// Where in a message a stream ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// Before its end was due.
    Body,
    /// Before the blank line.
    Head,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Body => "body",
            Self::Head => "head",
        })
    }
}
