//! Addresses that guess: ten bad signatures within a minute shut an address out for a minute.
//!
//! Guessing a key is hopeless whatever we do; what this saves is the work, and the lines in the log.
//! The table is bounded, so that a stranger with many addresses fills no memory: when it is full,
//! the half whose minute began first is forgotten.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::peer::Origin;

/// How long strikes count, and how long an address then stays out.
const MINUTE: Duration = Duration::from_secs(60);
/// Most addresses that are kept in mind.
const ADDRESSES_MAX: usize = 1024;

/// Who has guessed wrong lately.
#[derive(Debug, Default)]
pub(super) struct Lockout(HashMap<Origin, Strikes>);

#[derive(Debug)]
struct Strikes {
    since: Instant,
    count: u32,
    out_until: Option<Instant>,
}

impl Lockout {
    /// How long `from` has to stay out yet; `None` if it may come in.
    pub(super) fn left(&self, from: Origin, now: Instant) -> Option<Duration> {
        let until = self.0.get(&from)?.out_until?;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// A bad signature came from there. True if that shuts it out, which is worth one line.
    pub(super) fn strike(&mut self, from: Origin, now: Instant, max: u32) -> bool {
        if !self.0.contains_key(&from) && self.0.len() >= ADDRESSES_MAX {
            self.make_room(now);
        }
        let strikes = self.0.entry(from).or_insert(Strikes { since: now, count: 0, out_until: None });
        if now.saturating_duration_since(strikes.since) >= MINUTE {
            *strikes = Strikes { since: now, count: 0, out_until: None };
        }
        strikes.count += 1;
        let is_out = strikes.count >= max && strikes.out_until.is_none();
        if is_out {
            // The next minute of counting begins when this one is served.
            *strikes = Strikes { since: now, count: 0, out_until: Some(now + MINUTE) };
        }
        is_out
    }

    /// Half the table at once, so that a flood of addresses does not pay for it with each of them.
    fn make_room(&mut self, now: Instant) {
        self.0.retain(|_, strikes| now.saturating_duration_since(strikes.since) < MINUTE);
        if self.0.len() >= ADDRESSES_MAX {
            let mut begun: Vec<(Instant, Origin)> = self.0.iter().map(|(from, s)| (s.since, *from)).collect();
            begun.sort_unstable();
            for (_, oldest) in &begun[..ADDRESSES_MAX / 2] {
                self.0.remove(oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(last: u8) -> Origin {
        Origin::of_ip([10, 0, 0, last].into())
    }

    #[test]
    fn ten_within_a_minute_shut_out_one_address_for_a_minute() {
        let (mut lockout, start) = (Lockout::default(), Instant::now());
        for n in 1..=10 {
            assert_eq!(lockout.left(origin(1), start), None);
            assert_eq!(lockout.strike(origin(1), start + Duration::from_secs(n), 10), n == 10);
        }
        let end = start + Duration::from_secs(70);
        assert_eq!(lockout.left(origin(1), end - MINUTE), Some(MINUTE));
        assert_eq!(lockout.left(origin(2), end - MINUTE), None);
        assert_eq!(lockout.left(origin(1), end), None);
        assert!(!lockout.strike(origin(1), end, 10));
        assert_eq!(lockout.left(origin(1), end), None);
    }

    #[test]
    fn nine_a_minute_are_forgiven() {
        let (mut lockout, start) = (Lockout::default(), Instant::now());
        for n in 0..90 {
            assert!(!lockout.strike(origin(1), start + Duration::from_secs(n * 7), 10));
        }
    }

    #[test]
    fn many_addresses_cost_bounded_memory() {
        let (mut lockout, start) = (Lockout::default(), Instant::now());
        for n in 0..50_000_u32 {
            lockout.strike(Origin::of_ip(n.to_be_bytes().into()), start, 10);
        }
        assert!(lockout.0.len() <= ADDRESSES_MAX);
    }
}
