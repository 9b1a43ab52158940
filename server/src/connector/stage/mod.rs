//! What lies between the bytes on a wire and the frames of a codec, both ways.
//!
//! A [`Preprocessor`] takes pieces in and lets pieces out: it splits, unwraps, decompresses. A chain
//! of them is pulled from its far end, one piece at a time, so that nothing is made before
//! somebody wants it: a megabyte of line feeds is a megabyte, and not a million frames waiting in a
//! list. A [`Postprocessor`] changes one frame on its way out, in place.
//!
//! Stages know no socket, clock or task. Their bounds are told at birth, and any split of the input
//! gives the same pieces: each has the test that feeds one byte at a time.
//!
//! A stage is a file with both its directions; [`separate`] is the one to read first. The set is
//! closed, so the factory is one `match` each way.

mod base64;
mod chunk;
mod collect;
mod compression;
mod empty;
mod ingest;
mod json_seq;
mod length;
pub mod separate;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod split;
mod textual;

use std::fmt;

use bytes::Bytes;

use super::options::{Invalid, Options};

/// A piece of what came in.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Piece {
    /// Its bytes.
    pub bytes: Bytes,
    /// When it came into being, in ns since 1970, if its sender said so.
    pub ingest_ns: Option<u64>,
}

/// One stage of what comes in.
pub trait Preprocessor: fmt::Debug + Send {
    /// Takes the next piece of input. Only called when [`next`](Self::next) has said `None`.
    fn feed(&mut self, piece: Piece);

    /// Says that no more will come; what is left is then to be had from [`next`](Self::next).
    fn finish(&mut self) {}

    /// The next piece, as soon as it is whole; `None` when more input is needed.
    ///
    /// # Errors
    /// When bytes cannot be followed. They are gone then, and it may be called again, unless the
    /// error [is fatal](FrameError::is_fatal).
    fn next(&mut self) -> Option<Result<Piece, FrameError>>;

    /// Is a piece begun and not whole?
    fn is_amid(&self) -> bool {
        false
    }
}

/// One stage of what goes out.
pub trait Postprocessor: fmt::Debug + Send {
    /// Changes a frame in place, or keeps it for later.
    ///
    /// # Errors
    /// When this frame cannot be sent. The next may.
    fn process(&mut self, frame: &mut Vec<u8>, ingest_ns: u64) -> Result<Passed, FrameError>;

    /// Says that no more will come; what was kept is put into `frame`, which is empty.
    fn finish(&mut self, _frame: &mut Vec<u8>) -> Passed {
        Passed::Kept
    }
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Passed {
    /// It stays here for now, and nothing leaves.
    Kept,
    /// What is in the buffer now is to go on.
    On,
}

/// What a chain of stages may cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Most bytes of a frame. Default 1 MiB.
    pub frame_bytes_max: usize,
    /// Most bytes that one compressed piece may become. Default 16 MiB.
    pub inflated_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { frame_bytes_max: 1 << 20, inflated_bytes_max: 16 << 20 }
    }
}

/// Bytes that are no frame, or a frame that cannot be sent.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// It is not base64.
    #[error("frame is not base64: {0}")]
    Base64(::base64::DecodeError),
    /// It is not what its compression says, or breaks off.
    #[error("frame is not {algorithm}: {why}")]
    Compression {
        /// What it should have been.
        algorithm: &'static str,
        /// What the decoder found.
        why: String,
    },
    /// It would become too long when decompressed.
    #[error("frame becomes longer than max_decompressed, {max} bytes")]
    Inflated {
        /// The bound.
        max: usize,
    },
    /// The length before a frame is not a number.
    #[error("length of a frame is not a number: {found:?}")]
    LengthUnreadable {
        /// What stood there.
        found: String,
    },
    /// It is too long for the length before it.
    #[error("frame of {bytes} bytes is too long for a length of {width} bytes")]
    LengthTooNarrow {
        /// The frame's.
        bytes: usize,
        /// The length's.
        width: usize,
    },
    /// It is longer than a frame may be.
    #[error("frame is longer than {max} bytes")]
    TooLong {
        /// The bound.
        max: usize,
    },
    /// Its announced length is so far beyond the bound that it will not even be skipped.
    #[error("frame of {claimed} bytes is announced; more than {max} are not even skipped")]
    TooLongToSkip {
        /// The announced length.
        claimed: u64,
        /// What would be skipped.
        max: u64,
    },
    /// It is too short to hold the time that should stand before it.
    #[error("frame of {bytes} bytes is too short for the time of 8 bytes before it")]
    TooShort {
        /// Its length.
        bytes: usize,
    },
}

impl FrameError {
    /// Is it unknown where the next frame begins? Then the connection cannot go on.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::LengthUnreadable { .. } | Self::TooLongToSkip { .. })
    }
}

/// A preprocessor by name, or one of its aliases.
///
/// # Errors
/// When there is none of that name, or its options cannot be followed.
pub fn preprocessor(name: &str, options: Options, limits: &Limits) -> Result<Box<dyn Preprocessor>, Invalid> {
    let made: Result<Box<dyn Preprocessor>, Invalid> = match name {
        "separate" | "lines" => separate::preprocessor(options, limits),
        "length-prefixed" | "length-prefix" => length::preprocessor(options, limits),
        "textual-length-prefixed" | "textual-length-prefix" => textual::preprocessor(options, limits),
        "base64" => base64::preprocessor(options),
        "decompress" | "gzip" | "zlib" | "zstd" | "lz4" | "snappy" => {
            compression::preprocessor(algorithm_of(name, options, "decompress"), limits)
        }
        "remove-empty" => empty::preprocessor(options),
        "ingest-ns" | "attach_ingress_ts" => ingest::preprocessor(options),
        "json-seq" => json_seq::preprocessor(options, limits),
        _ => return Err(unknown(name, "preprocessor", PREPROCESSORS)),
    };
    made.map_err(|e| e.within(name))
}

/// A postprocessor by name, or one of its aliases.
///
/// # Errors
/// When there is none of that name, or its options cannot be followed.
pub fn postprocessor(name: &str, options: Options) -> Result<Box<dyn Postprocessor>, Invalid> {
    let made: Result<Box<dyn Postprocessor>, Invalid> = match name {
        "separate" | "lines" => separate::postprocessor(options),
        "length-prefixed" | "length-prefix" => length::postprocessor(options),
        "textual-length-prefixed" | "textual-length-prefix" => textual::postprocessor(options),
        "base64" => base64::postprocessor(options),
        "compress" | "gzip" | "zlib" | "zstd" | "lz4" | "snappy" => {
            compression::postprocessor(algorithm_of(name, options, "compress"))
        }
        "chunk" => chunk::postprocessor(options),
        "collect" => collect::postprocessor(options),
        "ingest-ns" | "attach_ingress_ts" => ingest::postprocessor(options),
        "json-seq" => json_seq::postprocessor(options),
        _ => return Err(unknown(name, "postprocessor", POSTPROCESSORS)),
    };
    made.map_err(|e| e.within(name))
}

const PREPROCESSORS: &str = "base64, decompress, ingest-ns, json-seq, length-prefixed, remove-empty, separate, \
    textual-length-prefixed";
const POSTPROCESSORS: &str = "base64, chunk, collect, compress, ingest-ns, json-seq, length-prefixed, separate, \
    textual-length-prefixed";

fn unknown(name: &str, what: &str, known: &str) -> Invalid {
    Invalid::new("", format!("unknown {what} {name:?}; there are {known}"))
}

/// `gzip` alone is short for `compress` with `gzip`.
fn algorithm_of(name: &str, mut options: Options, long: &str) -> Options {
    if name != long {
        options.put("algorithm".to_owned(), name.into());
    }
    options
}
