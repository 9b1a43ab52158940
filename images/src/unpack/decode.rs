//! Bytes as they were before somebody compressed them: counted, bounded, digested.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use sha2::{Digest as _, Sha256};

use super::UnpackError;
use crate::Digest;

/// How much is read of a blob at once.
const BUFFER_BYTES: usize = 64 << 10;
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// A frame's first bytes. A skippable frame, which may come first, begins with another number.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Reads what a blob decompresses to. What it is compressed with, its first bytes say: what a
/// manifest says of it is not always true.
pub(super) struct Decoded {
    source: Source,
    digest: Sha256,
    bytes: u64,
    bytes_max: u64,
    bound: &'static str,
}

enum Source {
    Gzip(Box<MultiGzDecoder<BufReader<File>>>),
    Plain(BufReader<File>),
    Zstd(Box<Frames>),
}

impl Decoded {
    /// Of `file`, which may become `bytes_max` bytes because of `bound`.
    pub(super) fn new(file: File, (bytes_max, bound): (u64, &'static str)) -> Result<Self, UnpackError> {
        let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
        let start = file.fill_buf().map_err(UnpackError::Archive)?;
        let source = if start.starts_with(&GZIP) {
            Source::Gzip(Box::new(MultiGzDecoder::new(file)))
        } else if start.starts_with(&ZSTD) || is_skippable(start) {
            Source::Zstd(Box::new(Frames::new(file)))
        } else {
            Source::Plain(file)
        };
        Ok(Self { source, digest: Sha256::new(), bytes: 0, bytes_max, bound })
    }

    /// How many bytes it was so far.
    pub(super) fn count(&self) -> u64 {
        self.bytes
    }

    /// The bound it ran into, if it did.
    pub(super) fn exceeded(&self) -> Option<&'static str> {
        (self.bytes > self.bytes_max).then_some(self.bound)
    }

    /// The digest of all that was read.
    pub(super) fn digest(self) -> Digest {
        Digest::new(self.digest.finalize().into())
    }
}

impl Read for Decoded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.source {
            Source::Gzip(gzip) => gzip.read(into)?,
            Source::Plain(file) => file.read(into)?,
            Source::Zstd(frames) => frames.read(into)?,
        };
        self.bytes += count as u64;
        if self.bytes > self.bytes_max {
            return Err(io::Error::other(self.bound));
        }
        self.digest.update(&into[..count]);
        Ok(count)
    }
}

/// The frames of a zstd stream, one after the other; the decoder knows but one.
struct Frames {
    file: BufReader<File>,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl Frames {
    fn new(file: BufReader<File>) -> Self {
        Self { file, decoder: FrameDecoder::new(), in_frame: false }
    }

    /// Goes on to the next frame that holds something; false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        while !self.file.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.file) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    io::copy(&mut (&mut self.file).take(u64::from(length)), &mut io::sink())?;
                }
                Err(e) => return Err(invalid(e)),
            }
        }
        Ok(false)
    }
}

impl Read for Frames {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            while self.in_frame && self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.file, one).map_err(invalid)?;
            }
            if self.in_frame && self.decoder.can_collect() > 0 {
                return self.decoder.read(into);
            }
            self.in_frame = self.advance()?;
            if !self.in_frame {
                return Ok(0);
            }
        }
    }
}

fn invalid(e: FrameDecoderError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, e)
}

/// Sixteen numbers begin a frame that is to be skipped.
fn is_skippable(start: &[u8]) -> bool {
    matches!(start, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}
