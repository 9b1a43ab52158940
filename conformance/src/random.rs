//! Bytes that nobody can guess and anybody can have again: the same seed, the same bytes.

/// A generator that needs to be spread well, not to be secret (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The generator of one case: cases do not depend on which others ran before them.
    pub(crate) fn of(seed: u64, case: u16) -> Self {
        let mut random = Self(seed ^ (u64::from(case) << 48));
        random.number();
        random
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a usize has at most 64 bits");
        usize::try_from(self.number() % end).expect("it is below a usize")
    }

    /// Any bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.number().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }

    /// Letters.
    pub(crate) fn letters(&mut self, count: usize) -> String {
        self.bytes(count).iter().map(|byte| char::from(b'a' + byte % 26)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_each_case_its_own() {
        assert_eq!(Random::of(7, 39).bytes(100), Random::of(7, 39).bytes(100));
        assert_ne!(Random::of(7, 39).bytes(100), Random::of(7, 40).bytes(100));
        assert_ne!(Random::of(7, 39).bytes(100), Random::of(8, 39).bytes(100));
    }
}
