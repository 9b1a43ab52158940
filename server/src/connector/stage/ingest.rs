//! Frames with the time of their making before each: ns since 1970, 8 bytes, the highest first.

use bytes::Buf as _;

use super::{FrameError, Passed, Piece, Postprocessor, Preprocessor};
use crate::connector::options::{Invalid, Options};

pub(super) fn preprocessor(options: Options) -> Result<Box<dyn Preprocessor>, Invalid> {
    options.finish()?;
    Ok(Box::new(Reading(None)))
}

pub(super) fn postprocessor(options: Options) -> Result<Box<dyn Postprocessor>, Invalid> {
    options.finish()?;
    Ok(Box::new(Writing))
}

#[derive(Debug)]
struct Reading(Option<Piece>);

impl Preprocessor for Reading {
    fn feed(&mut self, piece: Piece) {
        self.0 = Some(piece);
    }

    fn next(&mut self) -> Option<Result<Piece, FrameError>> {
        let mut bytes = self.0.take()?.bytes;
        let length = bytes.len();
        let time = bytes.try_get_u64().map_err(|_| FrameError::TooShort { bytes: length });
        Some(time.map(|time| Piece { bytes, ingest_ns: Some(time) }))
    }
}

#[derive(Debug)]
struct Writing;

impl Postprocessor for Writing {
    fn process(&mut self, frame: &mut Vec<u8>, ingest_ns: u64) -> Result<Passed, FrameError> {
        frame.splice(..0, ingest_ns.to_be_bytes());
        Ok(Passed::On)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::connector::stage::split::{post, pre};

    #[test]
    fn the_time_is_the_frames_and_not_in_it() {
        let mut stage = pre("ingest-ns", json!({}))();
        stage.feed(Piece { bytes: Bytes::from_static(b"\0\0\0\0\0\0\0\x2ahi"), ingest_ns: None });
        assert_eq!(stage.next(), Some(Ok(Piece { bytes: "hi".into(), ingest_ns: Some(42) })));
        stage.feed(Piece { bytes: "short".into(), ingest_ns: None });
        assert_eq!(stage.next(), Some(Err(FrameError::TooShort { bytes: 5 })));
        assert_eq!(stage.next(), None);
    }

    #[test]
    fn the_time_is_put_before() {
        assert_eq!(post("ingest-ns", json!({}), &["hi"]), [b"\0\0\0\0\0\0\0\x01hi".to_vec()]);
    }
}
