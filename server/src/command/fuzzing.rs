//! What the fuzz targets in `fuzz/` throw bytes at, so that ordinary tests can throw the same.
//!
//! Each function takes any bytes and panics if one of our promises does not hold for them. Not part
//! of the crate's public face: behind the feature `fuzzing`.

use super::callback::Target;
use super::capture::Capture;
use super::config::Bounds;
use super::request::Ask;
use super::{environment, words};

/// Takes any bytes.
pub type Fuzz = fn(&[u8]);

/// The targets, each with the name of its corpus.
pub const TARGETS: [(&str, Fuzz); 3] =
    [("command_capture", command_capture), ("command_request", command_request), ("command_text", command_text)];

/// Both bodies: what is read of them is within its bounds.
pub fn command_request(bytes: &[u8]) {
    let bounds = Bounds::default();
    for ask in [Ask::shell(bytes, &bounds), Ask::run(bytes, &bounds)].into_iter().flatten() {
        assert!(ask.envs.len() <= bounds.envs_max);
        assert!(ask.envs.iter().all(|(name, _)| environment::check(name).is_ok()));
        assert!(ask.workdir.is_none_or(|dir| dir.is_absolute()));
    }
}

/// Texts: plain words hold nothing that is not of the line; a URL's parts can be put together again.
pub fn command_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(words) = words::split(text) {
        assert!(words.iter().map(String::len).sum::<usize>() <= text.len());
    }
    if let Ok(Target::Url(url)) = Target::parse(text) {
        let again = format!("http://{}{}", url.authority(), url.path);
        let Ok(Target::Url(again)) = Target::parse(&again) else { panic!("{again:?} is a URL") };
        assert_eq!((again.host, again.port, again.path), (url.host, url.port, url.path));
    }
}

/// Output, in pieces of any length: what is kept is the same however it came, and a follower misses
/// nothing without being told.
pub fn command_capture(bytes: &[u8]) {
    const MAX: usize = 64;
    let mut whole = Capture::new(MAX);
    whole.push(bytes);
    let (mut pieces, mut position) = (Capture::new(MAX), 0);
    for piece in bytes.chunk_by(|before, _| before % 7 != 0) {
        pieces.push(piece);
        let since = pieces.since(position);
        let from = usize::try_from(position + since.lost).expect("it is within the input");
        assert_eq!(since.bytes, bytes[from..from + since.bytes.len()]);
        position += since.lost + since.bytes.len() as u64;
    }
    assert_eq!(pieces.bytes(), whole.bytes());
    assert!(pieces.held() <= MAX);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_corpus_holds() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
        for (name, target) in TARGETS {
            let program = std::fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).unwrap();
            assert!(program.contains(&format!("fuzzing::{name}(bytes)")), "{name}");
            let mut count = 0;
            for file in std::fs::read_dir(fuzz.join("corpus").join(name)).unwrap() {
                target(&std::fs::read(file.unwrap().path()).unwrap());
                count += 1;
            }
            assert_ne!(count, 0, "{name} has a corpus");
        }
    }
}
