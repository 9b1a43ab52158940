//! When an outcome is sent again. A function of what happened and of the time.

use std::time::{Duration, Instant};

/// The pauses before the second, third and fourth time.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(25)];

/// What came of sending it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Tried {
    /// It was taken, or answered in a way that will not change.
    Answered(u16),
    /// Nobody was there, or the answer did not come in time.
    Failed(String),
}

/// What to do next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Send it again then.
    At(Instant),
    Delivered,
    GiveUp,
}

/// What to do when it was sent `times` times, at last with this end.
pub(super) fn next(times: usize, tried: &Tried, now: Instant) -> Next {
    let may_change = match tried {
        Tried::Answered(200..=299) => return Next::Delivered,
        Tried::Answered(status) => *status == 429 || *status >= 500,
        Tried::Failed(_) => true,
    };
    match PAUSES.get(times.saturating_sub(1)) {
        Some(pause) if may_change => Next::At(now + *pause),
        _ => Next::GiveUp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_change_is_tried_again_three_times() {
        let now = Instant::now();
        let after = |s| Next::At(now + Duration::from_secs(s));
        for tried in [Tried::Failed(String::new()), Tried::Answered(429), Tried::Answered(500), Tried::Answered(503)] {
            let all = [1, 2, 3, 4].map(|times| next(times, &tried, now));
            assert_eq!(all, [after(1), after(5), after(25), Next::GiveUp], "{tried:?}");
        }
        for status in [301, 302, 400, 404] {
            assert_eq!(next(1, &Tried::Answered(status), now), Next::GiveUp, "{status}");
        }
        for status in [200, 204] {
            assert_eq!(next(4, &Tried::Answered(status), now), Next::Delivered, "{status}");
        }
    }
}
