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

/// Every codec: what was decoded and can be encoded is decoded again as it was.
pub fn connector_codec(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    const NAMES: [&str; 10] =
        ["json", "string", "binary", "msgpack", "null", "csv", "syslog", "influx", "statsd", "cloudevent"];
    let name = NAMES[usize::from(*which) % NAMES.len()];
    let mut codec = codec::codec(name, Options::default()).expect("it is one of ours");
    let piece = |bytes: &[u8]| Piece { bytes: bytes.to_vec().into(), ingest_ns: None };
    let Ok(Some(value)) = codec.decode(&piece(bytes), 0) else { return };
    let mut out = Vec::new();
    if codec.encode(&value, &mut out).is_ok() {
        assert!(!matches!(value, Value::Json(_)) || !out.contains(&b'\n'), "no value ends its own line");
        let again = codec.decode(&piece(&out), 0).expect("we read what we wrote");
        let again = again.map(|again| again.to_tree().into_owned());
        assert_eq!(again, Some(value.to_tree().into_owned()), "{name}: {:?}", String::from_utf8_lossy(&out));
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
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    use std::path::Path;
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    fn corpus(name: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| std::fs::read(file).unwrap()).collect()
    }

    #[test]
    fn every_corpus_holds_and_every_target_has_a_program() {
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets");
        for (name, target) in TARGETS {
            corpus(name).iter().for_each(|bytes| target(bytes));
            let program = std::fs::read_to_string(programs.join(format!("{name}.rs"))).unwrap();
            assert!(program.contains(&format!("fuzzing::{name}(bytes)")), "{name}");
        }
    }

    /// A walk by chance, the same in each run, from what is in the corpus: bytes change, come, go and
    /// join others'. `HOTFN_FUZZ_S` has it go on for so many seconds a target.
    #[test]
    fn whatever_the_corpus_becomes_holds() {
        let seconds = std::env::var("HOTFN_FUZZ_S").ok().and_then(|seconds| seconds.parse().ok());
        let patience = Duration::from_secs(seconds.unwrap_or(1));
        for (name, target) in TARGETS {
            let (mut chance, mut pool, began) = (Chance(0x9e37_79b9_7f4a_7c15), corpus(name), Instant::now());
            while began.elapsed() < patience {
                let bytes = chance.change(&pool);
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&bytes))) {
                    eprintln!("{name} does not hold for {:?}", bytes.escape_ascii().to_string());
                    resume_unwind(panic);
                }
                // Some of what came of it is gone on from.
                if chance.below(16) == 0 && bytes.len() < 4096 {
                    let place = chance.below(64 + pool.len());
                    if place < pool.len() { pool[place] = bytes } else { pool.push(bytes) }
                }
            }
        }
    }

    /// xorshift.
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 >> 32).unwrap() % end.max(1)
        }

        fn pick(&mut self, pool: &[Vec<u8>]) -> Vec<u8> {
            pool[self.below(pool.len())].clone()
        }

        fn change(&mut self, pool: &[Vec<u8>]) -> Vec<u8> {
            let mut bytes = self.pick(pool);
            for _ in 0..=self.below(4) {
                let at = self.below(bytes.len());
                match self.below(6) {
                    0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                    1 => bytes.insert(at.min(bytes.len()), u8::try_from(self.below(256)).unwrap()),
                    2 if !bytes.is_empty() => drop(bytes.remove(at)),
                    3 => bytes.truncate(at),
                    4 => {
                        let other = self.pick(pool);
                        let from = self.below(other.len());
                        bytes.truncate(at);
                        bytes.extend_from_slice(&other[from.min(other.len())..]);
                    }
                    _ => {
                        let end = (at + self.below(16)).min(bytes.len());
                        let piece = bytes[at.min(end)..end].to_vec();
                        bytes.splice(at.min(end)..at.min(end), piece);
                    }
                }
            }
            bytes
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
