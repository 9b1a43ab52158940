//! Frames that are compressed, each a complete item of its own.
//!
//! | `algorithm` | what an item is |
//! |---|---|
//! | `gzip` | RFC 1952; members in a row are joined when it is named |
//! | `zlib` | RFC 1950 |
//! | `zstd` | RFC 8878 |
//! | `lz4` | the frame format |
//! | `snappy` | the framing format |
//! | `autodetect` | what its first bytes say; what they do not, passes unchanged |
//!
//! What a piece may become is bounded at birth, since a kilobyte can become a gigabyte. All five are
//! pure Rust. Their encoders have one strength each: a `level` is checked, so that a definition
//! moves over, and changes nothing.

use std::io::{self, Read, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::{GzDecoder, MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::{FrameError, Limits, Passed, Piece, Postprocessor, Preprocessor};
use crate::connector::options::{Invalid, Options};

/// A decoder of zstd allocates the window that an item asks for: at most this.
const ZSTD_WINDOW_BYTES_MAX: u64 = 8 << 20;

pub(super) fn preprocessor(mut options: Options, limits: &Limits) -> Result<Box<dyn Preprocessor>, Invalid> {
    let name = options.text("algorithm")?;
    options.finish()?;
    let algorithm = match name.as_deref() {
        None | Some("autodetect") => None,
        Some(name) => Some(Algorithm::named(name)?),
    };
    Ok(Box::new(Inflating { algorithm, bytes_max: limits.inflated_bytes_max, piece: None }))
}

pub(super) fn postprocessor(mut options: Options) -> Result<Box<dyn Postprocessor>, Invalid> {
    let name = options.text("algorithm")?;
    let level = options.take("level");
    options.finish()?;
    let name = name.ok_or_else(|| Invalid::new("algorithm", format!("it is needed; there are {NAMES}")))?;
    let algorithm = Algorithm::named(&name)?;
    if let Some(level) = level {
        algorithm.check_level(&level)?;
    }
    Ok(Box::new(Deflating(algorithm)))
}

const NAMES: &str = "gzip, lz4, snappy, zlib, zstd";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Algorithm {
    Gzip,
    Lz4,
    Snappy,
    Zlib,
    Zstd,
}

impl Algorithm {
    fn named(name: &str) -> Result<Self, Invalid> {
        Ok(match name {
            "gzip" => Self::Gzip,
            "lz4" => Self::Lz4,
            "snappy" => Self::Snappy,
            "zlib" => Self::Zlib,
            "zstd" => Self::Zstd,
            _ => return Err(Invalid::new("algorithm", format!("unknown algorithm {name:?}; there are {NAMES}"))),
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Lz4 => "lz4",
            Self::Snappy => "snappy",
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
        }
    }

    fn check_level(self, level: &serde_json::Value) -> Result<(), Invalid> {
        let range = match self {
            Self::Lz4 => 0..=16,
            Self::Zstd => -7..=22,
            _ => return Err(Invalid::new("level", format!("{} has no levels", self.name()))),
        };
        match level.as_i64().filter(|level| range.contains(level)) {
            Some(_) => Ok(()),
            None => {
                let (from, to) = (range.start(), range.end());
                Err(Invalid::new(
                    "level",
                    format!("{level} is not a level of {}; it may be {from} to {to}", self.name()),
                ))
            }
        }
    }

    /// What an item's first bytes say it is.
    fn detect(item: &[u8]) -> Option<Self> {
        /// Fewer bytes are too few to tell.
        const BYTES_MIN: usize = 6;
        match item {
            _ if item.len() < BYTES_MIN => None,
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => Some(Self::Zlib),
            [0xff, 0x06, 0, 0, ..] => Some(Self::Snappy),
            [b's', b'N', b'a', b'P', b'p', b'Y', ..] => Some(Self::Snappy),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Self::Lz4),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    fn inflate(self, item: &[u8], is_named: bool, bytes_max: usize) -> Result<Bytes, FrameError> {
        let failed = |why: String| FrameError::Compression { algorithm: self.name(), why };
        let inflated = match self {
            Self::Gzip if is_named => read(MultiGzDecoder::new(item), bytes_max),
            Self::Gzip => read(GzDecoder::new(item), bytes_max),
            Self::Zlib => read(ZlibDecoder::new(item), bytes_max),
            Self::Lz4 => read(lz4_flex::frame::FrameDecoder::new(item), bytes_max),
            Self::Snappy => read(snap::read::FrameDecoder::new(item), bytes_max),
            Self::Zstd => {
                let decoder = StreamingDecoder::new_with_max_window_size(item, ZSTD_WINDOW_BYTES_MAX)
                    .map_err(|e| failed(e.to_string()))?;
                read(decoder, bytes_max)
            }
        };
        let inflated = inflated.map_err(|e| failed(e.to_string()))?;
        if inflated.len() > bytes_max {
            return Err(FrameError::Inflated { max: bytes_max });
        }
        Ok(inflated.into())
    }

    fn deflate(self, frame: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(frame)?;
                encoder.finish()
            }
            Self::Zlib => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(frame)?;
                encoder.finish()
            }
            Self::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(frame)?;
                encoder.finish().map_err(io::Error::other)
            }
            Self::Snappy => {
                let mut encoder = snap::write::FrameEncoder::new(Vec::new());
                encoder.write_all(frame)?;
                encoder.into_inner().map_err(|e| io::Error::other(e.to_string()))
            }
            Self::Zstd => Ok(compress_to_vec(frame, CompressionLevel::Fastest)),
        }
    }
}

/// Everything, and one byte more than the bound if there is more.
fn read(decoder: impl Read, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut inflated = Vec::new();
    decoder.take((bytes_max as u64).saturating_add(1)).read_to_end(&mut inflated)?;
    Ok(inflated)
}

#[derive(Debug)]
struct Inflating {
    /// `None`: what the first bytes say.
    algorithm: Option<Algorithm>,
    bytes_max: usize,
    piece: Option<Piece>,
}

impl Preprocessor for Inflating {
    fn feed(&mut self, piece: Piece) {
        self.piece = Some(piece);
    }

    fn next(&mut self) -> Option<Result<Piece, FrameError>> {
        let piece = self.piece.take()?;
        let is_named = self.algorithm.is_some();
        let Some(algorithm) = self.algorithm.or_else(|| Algorithm::detect(&piece.bytes)) else {
            return Some(Ok(piece));
        };
        let inflated = algorithm.inflate(&piece.bytes, is_named, self.bytes_max);
        Some(inflated.map(|bytes| Piece { bytes, ..piece }))
    }
}

#[derive(Debug)]
struct Deflating(Algorithm);

impl Postprocessor for Deflating {
    fn process(&mut self, frame: &mut Vec<u8>, _: u64) -> Result<Passed, FrameError> {
        let failed = |e: io::Error| FrameError::Compression { algorithm: self.0.name(), why: e.to_string() };
        *frame = self.0.deflate(frame).map_err(failed)?;
        Ok(Passed::On)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connector::stage::split::{pieces, post, pre, pre_within, table};
    use crate::connector::stage::{postprocessor, preprocessor};

    const ALGORITHMS: [&str; 5] = ["gzip", "lz4", "snappy", "zlib", "zstd"];

    #[test]
    fn what_was_compressed_comes_back_named_or_not() {
        for algorithm in ALGORITHMS {
            for text in ["snot badger", "", &"long ".repeat(100_000)] {
                let item = post("compress", json!({"algorithm": algorithm}), &[text]).remove(0);
                for options in [json!({"algorithm": algorithm}), json!({})] {
                    let whole = pieces(&pre("decompress", options.clone()), &[&item], true);
                    assert_eq!(whole, [text], "{algorithm} {options}");
                }
                assert_eq!(pieces(&pre(algorithm, json!({})), &[&item], true), [text]);
            }
        }
    }

    /// Cases 6 and 9: items that others' encoders wrote.
    #[test]
    fn items_of_other_encoders_are_read() {
        let items: [&[u8]; 5] = [
            b"\xff\x06\0\0sNaPpY\x01\x0f\0\0\x6d\x6e\xc4\xf2snot badger",
            b"\x04\x22\x4d\x18\x40\x40\xc0\x0b\0\0\x80snot badger\0\0\0\0",
            b"\x28\xb5\x2f\xfd\0\x58\x59\0\0snot badger",
            b"\x78\x9c+\xce\xcb\x2f\x51\x48\x4a\x4c\x49\x4f\x2d\x02\x00\x19\xe1\x04\x4a",
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x2b\xce\xcb\x2f\x51\x48\x4a\x4c\x49\x4f\x2d\x02\x00\xf1\x9b\x27\x19\x0b\x00\x00\x00",
        ];
        for item in items {
            assert_eq!(pieces(&pre("decompress", json!({})), &[item], true), ["snot badger"], "{item:x?}");
        }
    }

    #[test]
    fn what_cannot_be_told_passes_unchanged() {
        let detect = pre("decompress", json!({}));
        assert_eq!(pieces(&detect, &[b"\x1f\x8b", b"plain text", b""], true), ["\x1f\u{fffd}", "plain text", ""]);
    }

    #[test]
    fn members_in_a_row_are_joined_when_named() {
        let two = [post("gzip", json!({}), &["a"]).remove(0), post("gzip", json!({}), &["b"]).remove(0)].concat();
        assert_eq!(pieces(&pre("gzip", json!({})), &[&two], true), ["ab"]);
        assert_eq!(pieces(&pre("decompress", json!({})), &[&two], true), ["a"]);
    }

    /// Case 12.
    #[test]
    fn a_bomb_does_not_go_off() {
        let limits = Limits { inflated_bytes_max: 1 << 16, ..Limits::default() };
        for algorithm in ALGORITHMS {
            let bomb = post(algorithm, json!({}), &[&"\0".repeat(1 << 22)]).remove(0);
            let found = pieces(&pre_within(algorithm, json!({}), limits), &[&bomb], true);
            assert_eq!(found, ["! frame becomes longer than max_decompressed, 65536 bytes"], "{algorithm}");
        }
    }

    #[test]
    fn what_is_broken_is_an_error() {
        for algorithm in ALGORITHMS {
            let mut item = post(algorithm, json!({}), &["snot badger"]).remove(0);
            item.truncate(item.len() - 6);
            let found = pieces(&pre(algorithm, json!({})), &[&item], true);
            assert!(found[0].starts_with(&format!("! frame is not {algorithm}: ")), "{found:?}");
        }
    }

    #[test]
    fn names_and_levels_that_do_not_exist_are_refused() {
        for (given, key) in [
            (json!({}), "algorithm"),
            (json!({"algorithm": "autodetect"}), "algorithm"),
            (json!({"algorithm": "gzip", "level": 9}), "level"),
            (json!({"algorithm": "lz4", "level": -1}), "level"),
            (json!({"algorithm": "zstd", "level": 23}), "level"),
            (json!({"algorithm": "zstd", "levle": 1}), "levle"),
        ] {
            let refused = postprocessor("compress", table(given.clone())).unwrap_err();
            assert_eq!(refused.key, format!("compress.{key}"), "{given}");
        }
        assert!(postprocessor("compress", table(json!({"algorithm": "zstd", "level": 0}))).is_ok());
        assert!(preprocessor("decompress", table(json!({"algorithm": "rar"})), &Limits::default()).is_err());
    }
}
