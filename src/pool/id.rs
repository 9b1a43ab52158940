//! A hash for numbers that we hand out ourselves, one after another.
//!
//! A call looks its container up four times. Nobody can choose these numbers, so there is nobody
//! to defend against, and what is left of hashing is to spread neighbours over the table.

use std::hash::{BuildHasherDefault, Hasher};

/// For tables whose keys are such numbers.
pub(super) type Spread = BuildHasherDefault<Spreading>;

#[derive(Debug, Default)]
pub(super) struct Spreading(u64);

impl Hasher for Spreading {
    fn write_u64(&mut self, number: u64) {
        // By the golden ratio: one apart here is far apart there, in the upper bits too.
        self.0 = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("the keys are numbers");
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
