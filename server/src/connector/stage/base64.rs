//! Frames in base 64: the standard alphabet, padded when written, padded or not when read.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{FrameError, Passed, Piece, Postprocessor, Preprocessor};
use crate::connector::options::{Invalid, Options};

const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn preprocessor(options: Options) -> Result<Box<dyn Preprocessor>, Invalid> {
    options.finish()?;
    Ok(Box::new(Decoding(None)))
}

pub(super) fn postprocessor(options: Options) -> Result<Box<dyn Postprocessor>, Invalid> {
    options.finish()?;
    Ok(Box::new(Encoding))
}

#[derive(Debug)]
struct Decoding(Option<Piece>);

impl Preprocessor for Decoding {
    fn feed(&mut self, piece: Piece) {
        self.0 = Some(piece);
    }

    fn next(&mut self) -> Option<Result<Piece, FrameError>> {
        let piece = self.0.take()?;
        let decoded = TOLERANT.decode(&piece.bytes).map_err(FrameError::Base64);
        Some(decoded.map(|bytes| Piece { bytes: bytes.into(), ..piece }))
    }
}

#[derive(Debug)]
struct Encoding;

impl Postprocessor for Encoding {
    fn process(&mut self, frame: &mut Vec<u8>, _: u64) -> Result<Passed, FrameError> {
        *frame = TOLERANT.encode(&frame[..]).into_bytes();
        Ok(Passed::On)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::connector::stage::split::{pieces, post, pre};

    #[test]
    fn frames_are_decoded_with_padding_and_without() {
        let base64 = pre("base64", json!({}));
        assert_eq!(pieces(&base64, &[b"c25vdA==", b"c25vdA", b""], true), ["snot", "snot", ""]);
        assert!(pieces(&base64, &[b"c2!"], true)[0].starts_with("! frame is not base64: "));
    }

    #[test]
    fn frames_are_encoded_with_padding() {
        assert_eq!(post("base64", json!({}), &["snot"]), [b"c25vdA==".to_vec()]);
    }
}
