//! What is said over an exec socket: a caller asks for a program to be run, and hears how it went.
//!
//! A conversation is one connection. The caller sends a [`Request`], which carries its open files;
//! the server answers that it has [started](Tell::Started) or [refused](Tell::Refused), and at last
//! how the program [ended](Tell::Exited). Meanwhile the caller may pass signals on. The bytes of the
//! program's own streams never travel here.
//!
//! Every packet begins with eight bytes, least significant first:
//!
//! ```text
//! 02 kk ff ff ll ll ll ll      version, kind, flags, length of the whole message's body
//! ```
//!
//! and the body is a list of fields: tag (2 bytes), length (4 bytes), value. A field that the
//! reader does not know is skipped, unless the tag's highest bit says that it must not be. Only a
//! request may be longer than a packet; what is left of it follows in packets of the kind `MORE`.
//!
//! Nothing here does I/O: bytes go in and come out. Every decoder takes any bytes, allocates no more
//! than it has been given, and was told its [`Limits`] at birth. [`v1`] is what Sidecar 1.2.0 speaks,
//! told apart by the first byte of the first packet.

mod fields;
mod message;
mod request;
mod tell;
pub mod v1;

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
#[cfg(test)]
mod tests;

pub use message::{Assembler, HEADER_BYTES, Kind, Message, PACKET_BYTES_MAX, VERSION, frames};
pub use request::{OnClose, Request, RunAs, Size, Streams};
pub use tell::{Class, Ended, How, Tell, Usage};

/// Bounds on what is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of all arguments and variables together. Default 1 MiB; [`Limits::STRINGS_BYTES_MAX`]
    /// is the most that makes sense, because the kernel takes no more.
    pub strings_bytes_max: usize,
    /// Bytes of one of them, and of every other text. Default 131,071, as in the kernel.
    pub string_bytes_max: usize,
    /// Arguments, the program among them. Default 4,096.
    pub args_max: usize,
    /// Variables. Default 1,024.
    pub env_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { strings_bytes_max: 1 << 20, string_bytes_max: 131_071, args_max: 4_096, env_max: 1_024 }
    }
}

impl Limits {
    /// What the kernel gives a new program for its arguments and environment with usual limits.
    pub const STRINGS_BYTES_MAX: usize = 2 << 20;
    /// Room for everything in a request that is neither argument nor variable.
    const REST_BYTES_MAX: usize = 64 << 10;

    /// Most bytes of a message's body.
    #[must_use]
    pub fn message_bytes_max(&self) -> usize {
        self.strings_bytes_max + (self.args_max + self.env_max) * fields::HEAD_BYTES + Self::REST_BYTES_MAX
    }
}

/// Why a packet cannot be followed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Invalid {
    /// It breaks off, or says something that cannot be.
    #[error("{0}")]
    Malformed(&'static str),
    /// It is, or says it would be, larger than it may.
    #[error("{what} is larger than {max}")]
    TooLarge {
        /// What is.
        what: &'static str,
        /// The bound.
        max: usize,
    },
}

/// What a caller sends after its request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Signal {
    /// Its number.
    pub number: i32,
    /// For the program alone, and not for its whole group.
    pub only_it: bool,
}

impl Signal {
    const ONLY_IT: u16 = 1;

    /// As one packet.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let flags = if self.only_it { Self::ONLY_IT } else { 0 };
        message::single(Kind::Signal, flags, &self.number.to_le_bytes())
    }

    /// Of a message of the kind `SIGNAL`.
    ///
    /// # Errors
    /// When it is not a signal's number.
    pub fn decode(message: &Message) -> Result<Self, Invalid> {
        let number = <[u8; 4]>::try_from(&*message.body).map_err(|_| Invalid::Malformed("a signal is four bytes"))?;
        let number = i32::from_le_bytes(number);
        if !(1..=64).contains(&number) {
            return Err(Invalid::Malformed("a signal is a number from 1 to 64"));
        }
        Ok(Self { number, only_it: message.flags & Self::ONLY_IT != 0 })
    }
}

/// A packet without a body: `STOP` or `PING`.
#[must_use]
pub fn bare(kind: Kind) -> Vec<u8> {
    message::single(kind, 0, &[])
}
