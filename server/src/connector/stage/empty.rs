//! Empty frames go.

use super::{FrameError, Piece, Preprocessor};
use crate::connector::options::{Invalid, Options};

pub(super) fn preprocessor(options: Options) -> Result<Box<dyn Preprocessor>, Invalid> {
    options.finish()?;
    Ok(Box::new(Removing(None)))
}

#[derive(Debug)]
struct Removing(Option<Piece>);

impl Preprocessor for Removing {
    fn feed(&mut self, piece: Piece) {
        self.0 = Some(piece).filter(|piece| !piece.bytes.is_empty());
    }

    fn next(&mut self) -> Option<Result<Piece, FrameError>> {
        self.0.take().map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::connector::stage::split::{pieces, pre};

    #[test]
    fn what_holds_something_stays() {
        assert_eq!(pieces(&pre("remove-empty", json!({})), &[b"", b"a", b"", b" "], true), ["a", " "]);
    }
}
