//! Feeding stages in pieces, for tests and fuzz targets.

use bytes::Bytes;
#[cfg(test)]
use serde_json::Value;

#[cfg(test)]
use super::{Limits, Passed, postprocessor};
use super::{Piece, Preprocessor};
#[cfg(test)]
use crate::connector::options::Options;

/// Everything that comes out of `stage` when `input` is fed; errors as text after `! `, and nothing
/// after one that is fatal.
pub(crate) fn run(stage: &mut dyn Preprocessor, input: &[&[u8]], ends: bool) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut drain = |stage: &mut dyn Preprocessor| {
        while let Some(next) = stage.next() {
            match next {
                Ok(piece) => found.push(piece.bytes.to_vec()),
                Err(e) => {
                    found.push(format!("! {e}").into_bytes());
                    if e.is_fatal() {
                        return false;
                    }
                }
            }
        }
        true
    };
    for piece in input {
        stage.feed(Piece { bytes: Bytes::copy_from_slice(piece), ingest_ns: None });
        if !drain(stage) {
            return found;
        }
    }
    if ends {
        stage.finish();
        drain(stage);
    }
    found
}

/// Makes one and the same stage as often as wanted.
#[cfg(test)]
pub(crate) type Make = Box<dyn Fn() -> Box<dyn Preprocessor>>;

/// A preprocessor with the usual bounds.
#[cfg(test)]
pub(crate) fn pre(name: &'static str, options: Value) -> Make {
    pre_within(name, options, Limits::default())
}

/// A preprocessor with bounds of its own.
#[cfg(test)]
pub(crate) fn pre_within(name: &'static str, options: Value, limits: Limits) -> Make {
    let options = table(options);
    Box::new(move || super::preprocessor(name, options.clone(), &limits).unwrap())
}

/// What comes out as text.
#[cfg(test)]
pub(crate) fn pieces(make: &Make, input: &[&[u8]], ends: bool) -> Vec<String> {
    let found = run(&mut *make(), input, ends);
    found.iter().map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
}

/// Checks what comes out of `input`: fed whole, byte by byte, and split at random a thousand times.
#[cfg(test)]
pub(crate) fn check(make: &Make, input: &[u8], expected: &[&str]) {
    assert_eq!(pieces(make, &[input], true), expected, "whole");
    assert_eq!(pieces(make, &input.chunks(1).collect::<Vec<_>>(), true), expected, "byte by byte");
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..1000 {
        let mut splits = Vec::new();
        let mut left = input;
        while !left.is_empty() {
            // xorshift: the same splits in every run.
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let (piece, rest) = left.split_at((seed as usize % 5).min(left.len()));
            splits.push(piece);
            left = rest;
        }
        assert_eq!(pieces(make, &splits, true), expected, "split as {splits:?}");
    }
}

/// What a postprocessor makes of frames, with what it lets out at the end.
#[cfg(test)]
pub(crate) fn post(name: &str, options: Value, frames: &[&str]) -> Vec<Vec<u8>> {
    let mut stage = postprocessor(name, table(options)).unwrap();
    let mut out = Vec::new();
    for frame in frames {
        let mut frame = frame.as_bytes().to_vec();
        if let Ok(Passed::On) = stage.process(&mut frame, 1) {
            out.push(frame);
        }
    }
    let mut last = Vec::new();
    if stage.finish(&mut last) == Passed::On {
        out.push(last);
    }
    out
}

#[cfg(test)]
pub(crate) fn table(options: Value) -> Options {
    let Value::Object(map) = options else { panic!("options are a table") };
    map.into()
}
