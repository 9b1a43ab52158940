//! Amounts that are not durations: how many were in each span.

/// Counts amounts. Plain data, of one owner.
#[derive(Clone, Debug)]
pub struct Spread {
    bounds: &'static [f64],
    /// One more than there are bounds, for what is beyond them.
    spans: Vec<u64>,
    sum: f64,
}

impl Spread {
    /// With spans up to these bounds, which grow.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, spans: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    /// There was this much.
    pub fn note(&mut self, amount: f64) {
        let span = self.bounds.iter().position(|&bound| amount <= bound).unwrap_or(self.bounds.len());
        self.spans[span] += 1;
        self.sum += amount;
    }

    /// How often there was some.
    pub(super) fn count(&self) -> u64 {
        self.spans.iter().sum()
    }

    /// All of it together.
    pub(super) fn sum(&self) -> f64 {
        self.sum
    }

    #[cfg(test)]
    pub(crate) fn told(&self) -> (u64, f64) {
        (self.count(), self.sum)
    }

    /// Each span's upper bound, and how many were in it.
    pub(super) fn spans(&self) -> Vec<(f64, u64)> {
        self.bounds.iter().copied().chain([f64::INFINITY]).zip(self.spans.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_in_the_first_span_that_holds_it() {
        let mut spread = Spread::new(&[0.0, 10.0]);
        for amount in [0.0, 10.0, 10.5, 3.0] {
            spread.note(amount);
        }
        assert_eq!(spread.spans(), [(0.0, 1), (10.0, 2), (f64::INFINITY, 1)]);
        assert_eq!((spread.count(), spread.sum()), (4, 23.5));
    }
}
