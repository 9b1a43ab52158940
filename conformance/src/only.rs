//! Which cases are wanted: `--only 1-20,36`.

use std::ops::RangeInclusive;
use std::str::FromStr;

/// A choice of cases by number. By default all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Only(Vec<RangeInclusive<u16>>);

/// What was written is no choice of cases.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is no choice of cases; write numbers and ranges, as 1-20,36")]
pub struct NoChoice(String);

impl Only {
    /// Is this one wanted?
    #[must_use]
    pub fn has(&self, number: u16) -> bool {
        self.0.is_empty() || self.0.iter().any(|range| range.contains(&number))
    }
}

impl From<u16> for Only {
    fn from(number: u16) -> Self {
        Self(vec![number..=number])
    }
}

impl FromStr for Only {
    type Err = NoChoice;

    fn from_str(text: &str) -> Result<Self, NoChoice> {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last).then_some(first..=last)
        };
        let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
        ranges.map(Self).ok_or_else(|| NoChoice(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ranges_choose() {
        let check = |text: &str, wanted: &[u16]| {
            let only: Only = text.parse().unwrap();
            assert_eq!((0..50).filter(|n| only.has(*n)).collect::<Vec<_>>(), wanted, "{text}");
        };
        check("7", &[7]);
        check("7-9, 1", &[1, 7, 8, 9]);
        assert!(Only::default().has(171));
        for text in ["", "a", "9-7", "1-", "-1", "1,,2", "70000"] {
            assert!(text.parse::<Only>().is_err(), "{text}");
        }
    }
}
