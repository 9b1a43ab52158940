//! Frames become one, at the end or when they are many bytes.
//!
//! `max_bytes` of 0, the default, joins everything until the end, as far as a connection's writer
//! may keep; otherwise what is kept leaves before it would exceed `max_bytes`. A frame is never
//! split: one that is longer leaves as it is.

use super::{FrameError, Passed, Postprocessor};
use crate::connector::options::{Invalid, Options};

/// Most bytes that are kept where nobody set a bound: 16 MiB. Then they leave.
const KEPT_BYTES_MAX: usize = 16 << 20;

pub(super) fn postprocessor(mut options: Options) -> Result<Box<dyn Postprocessor>, Invalid> {
    let bytes_max = options.size("max_bytes", 0..=1 << 40)?.filter(|max| *max > 0).unwrap_or(KEPT_BYTES_MAX);
    options.finish()?;
    Ok(Box::new(Collect { bytes_max, kept: Vec::new() }))
}

#[derive(Debug)]
struct Collect {
    bytes_max: usize,
    kept: Vec<u8>,
}

impl Postprocessor for Collect {
    fn process(&mut self, frame: &mut Vec<u8>, _: u64) -> Result<Passed, FrameError> {
        if self.kept.is_empty() || self.kept.len() + frame.len() <= self.bytes_max {
            self.kept.append(frame);
            return Ok(Passed::Kept);
        }
        std::mem::swap(&mut self.kept, frame);
        Ok(Passed::On)
    }

    fn finish(&mut self, frame: &mut Vec<u8>) -> Passed {
        std::mem::swap(&mut self.kept, frame);
        if frame.is_empty() { Passed::Kept } else { Passed::On }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::connector::stage::split::post;

    #[test]
    fn everything_leaves_at_the_end() {
        assert_eq!(post("collect", json!({}), &["a", "b", "c"]), [b"abc".to_vec()]);
        assert!(post("collect", json!({}), &[]).is_empty());
    }

    #[test]
    fn a_bound_is_kept_by_all_but_a_frame_that_is_longer_itself() {
        let frames = ["ab", "c", "d", "too long", "e"];
        assert_eq!(
            post("collect", json!({"max_bytes": 3}), &frames),
            [b"abc".to_vec(), b"d".to_vec(), b"too long".to_vec(), b"e".to_vec()]
        );
    }
}
