//! Small frames become one that is not too long.
//!
//! Frames are joined as long as they fit into `max_bytes`; nothing is ever split, and one that does
//! not fit alone cannot be sent. What is left goes at the end.

use super::{FrameError, Passed, Postprocessor};
use crate::connector::options::{Invalid, Options};

pub(super) fn postprocessor(mut options: Options) -> Result<Box<dyn Postprocessor>, Invalid> {
    let bytes_max = options.size("max_bytes", 1..=1 << 40)?;
    options.finish()?;
    let bytes_max = bytes_max.ok_or_else(|| Invalid::new("max_bytes", "it is needed, and above 0"))?;
    Ok(Box::new(Chunk { bytes_max, kept: Vec::new() }))
}

#[derive(Debug)]
struct Chunk {
    bytes_max: usize,
    kept: Vec<u8>,
}

impl Postprocessor for Chunk {
    fn process(&mut self, frame: &mut Vec<u8>, _: u64) -> Result<Passed, FrameError> {
        if frame.len() > self.bytes_max {
            return Err(FrameError::TooLong { max: self.bytes_max });
        }
        if self.kept.len() + frame.len() <= self.bytes_max {
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

    use crate::connector::stage::split::{post, table};

    #[test]
    fn frames_are_joined_up_to_the_bound() {
        let frames = ["abc", "de", "fgh", "toolong", "i"];
        assert_eq!(post("chunk", json!({"max_bytes": 5}), &frames), [b"abcde".to_vec(), b"fghi".to_vec()]);
        assert!(post("chunk", json!({"max_bytes": 5}), &[]).is_empty());
    }

    #[test]
    fn a_bound_is_needed() {
        for given in [json!({}), json!({"max_bytes": 0})] {
            let refused = crate::connector::stage::postprocessor("chunk", table(given)).unwrap_err();
            assert_eq!(refused.key, "chunk.max_bytes");
        }
    }
}
