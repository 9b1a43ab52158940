//! The part of an answer's body that the caller does not see until the whole is known to be good.

use bytes::{Bytes, BytesMut};

use super::{Broken, Length};

/// What is held back of an answer, and the count of all of it.
#[derive(Debug)]
pub(super) struct Held {
    first: Bytes,
    rest: BytesMut,
    counted: u64,
    max: Option<u64>,
}

impl Held {
    /// Counts up to `max`; a longer announced length is refused at once.
    pub(super) fn new(max: Option<u64>, announced: Length) -> Result<Self, Broken> {
        let held = Self { first: Bytes::new(), rest: BytesMut::new(), counted: 0, max };
        held.check(announced.exact().unwrap_or_default())?;
        Ok(held)
    }

    /// Bytes held.
    pub(super) fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    /// Holds one more piece.
    pub(super) fn push(&mut self, piece: Bytes) -> Result<(), Broken> {
        self.count(&piece)?;
        if self.first.is_empty() {
            self.first = piece;
        } else {
            self.rest.extend_from_slice(&piece);
        }
        Ok(())
    }

    /// Counts a piece that is not held.
    pub(super) fn count(&mut self, piece: &Bytes) -> Result<(), Broken> {
        self.counted += piece.len() as u64;
        self.check(self.counted)
    }

    fn check(&self, bytes: u64) -> Result<(), Broken> {
        match self.max {
            Some(max) if bytes > max => Err(Broken::AnswerTooLarge { max }),
            _ => Ok(()),
        }
    }

    /// All that was held, without a copy if it came in one piece.
    pub(super) fn take(&mut self) -> Bytes {
        let first = std::mem::take(&mut self.first);
        if self.rest.is_empty() {
            return first;
        }
        let mut all = BytesMut::with_capacity(first.len() + self.rest.len());
        all.extend_from_slice(&first);
        all.extend_from_slice(&std::mem::take(&mut self.rest));
        all.freeze()
    }
}
