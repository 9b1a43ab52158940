//! What the fuzz targets in `fuzz/` throw bytes at, so that ordinary tests can throw the same.
//!
//! Each function takes any bytes and panics if one of our promises does not hold for them. Not part
//! of the crate's public face: behind the feature `fuzzing`.

use crate::container::Stdio;
use crate::container::docker::frames::{Frames, Unframed};

/// An engine's frames: whole, byte by byte, and split as its own first bytes say.
pub fn docker_frames(bytes: &[u8]) {
    let (cuts, wire) = bytes.split_at(bytes.len().min(4));
    let whole = streams([wire]);
    assert_eq!(streams(wire.chunks(1)), whole);
    let mut rest = wire;
    let mut pieces: Vec<&[u8]> = Vec::new();
    for length in cuts {
        let (piece, after) = rest.split_at(rest.len().min(usize::from(*length)));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    assert_eq!(streams(pieces), whole);
}

/// All of either stream, and how it ended.
fn streams<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> ([Vec<u8>; 2], Result<(), Unframed>) {
    let (mut frames, mut all) = (Frames::default(), [Vec::new(), Vec::new()]);
    for piece in pieces {
        let fed = frames.feed(piece, |stdio, bytes| all[usize::from(stdio == Stdio::Err)].extend_from_slice(bytes));
        if fed.is_err() {
            return (all, fed);
        }
    }
    (all, Ok(()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_corpus_holds() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/docker_frames");
        let mut count = 0;
        for file in std::fs::read_dir(corpus).unwrap() {
            super::docker_frames(&std::fs::read(file.unwrap().path()).unwrap());
            count += 1;
        }
        assert_ne!(count, 0);
    }
}
