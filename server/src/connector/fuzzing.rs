//! What the fuzz targets in `fuzz/` throw bytes at, so that ordinary tests can throw the same.
//!
//! Each function takes any bytes and panics if one of our promises does not hold for them.

use super::codec::{self, Value, json};
use super::options::Options;
use super::stage::{self, Limits, Piece, split};

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// The targets, each with the name of its corpus.
pub const TARGETS: [(&str, Target); 3] =
    [("connector_codec", connector_codec), ("connector_json", connector_json), ("connector_stage", connector_stage)];

/// Every preprocessor: whole, byte by byte, and split as the first bytes say, with one outcome for
/// those whose input is a stream.
pub fn connector_stage(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    const NAMES: [&str; 8] = [
        "separate",
        "length-prefixed",
        "textual-length-prefixed",
        "json-seq",
        "base64",
        "decompress",
        "ingest-ns",
        "remove-empty",
    ];
    let name = NAMES[usize::from(*which) % NAMES.len()];
    let limits = Limits { frame_bytes_max: 64, inflated_bytes_max: 1 << 16 };
    let run = |input: &[&[u8]]| {
        let mut stage = stage::preprocessor(name, Options::default(), &limits).expect("it is one of ours");
        split::run(&mut *stage, input, true)
    };
    let whole = run(&[bytes]);
    let is_stream = usize::from(*which) % NAMES.len() < 4;
    if is_stream {
        assert_eq!(run(&bytes.chunks(1).collect::<Vec<_>>()), whole);
        let middle = bytes.len() / 2;
        assert_eq!(run(&[&bytes[..middle], &bytes[middle..]]), whole);
    }
}

/// Every codec: what was decoded can be encoded, and that decoded again.
pub fn connector_codec(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    const NAMES: [&str; 10] =
        ["json", "string", "binary", "msgpack", "null", "csv", "syslog", "influx", "statsd", "cloudevent"];
    let name = NAMES[usize::from(*which) % NAMES.len()];
    let mut codec = codec::codec(name, Options::default()).expect("it is one of ours");
    let piece = |bytes: &[u8]| Piece { bytes: bytes.to_vec().into(), ingest_ns: None };
    let Ok(Some(value)) = codec.decode(&piece(bytes), 0) else { return };
    let mut out = Vec::new();
    if codec.encode(&value, &mut out).is_ok() && matches!(value, Value::Json(_)) {
        assert!(!out.contains(&b'\n'), "no value ends its own line");
        let again = codec.decode(&piece(&out), 0).expect("we read what we wrote");
        assert_eq!(again.map(|again| again.to_tree().into_owned()), Some(value.to_tree().into_owned()));
    }
}

/// Is it JSON? Whatever passes, a parser of others can read.
pub fn connector_json(bytes: &[u8]) {
    if json::check(bytes).is_ok() {
        serde_json::from_slice::<serde_json::Value>(bytes).expect("what passes can be read");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_corpus_holds_and_every_target_has_a_program() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
        for (name, target) in TARGETS {
            for file in std::fs::read_dir(fuzz.join("corpus").join(name)).unwrap() {
                target(&std::fs::read(file.unwrap().path()).unwrap());
            }
            let program = std::fs::read_to_string(fuzz.join("fuzz_targets").join(format!("{name}.rs"))).unwrap();
            assert!(program.contains(&format!("fuzzing::{name}(bytes)")), "{name}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_holds(bytes: Vec<u8>) {
            connector_stage(&bytes);
            connector_codec(&bytes);
            connector_json(&bytes);
        }

        #[test]
        fn whatever_looks_like_frames_holds(which: u8, text in "[\\n0-9 a-c{}\\[\\]:,\"|@<>\u{1e}-]{0,80}") {
            let bytes = [&[which], text.as_bytes()].concat();
            connector_stage(&bytes);
            connector_codec(&bytes);
            connector_json(&bytes[1..]);
        }
    }
}
