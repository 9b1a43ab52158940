//! Whom to end when there is no room: idle containers of other functions, the oldest first, and
//! only if that makes room enough.

use std::time::Instant;

use super::rules::Need;

/// A container that could go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Candidate<K> {
    /// Who it is.
    pub key: K,
    /// When it was started.
    pub born: Instant,
    /// What its end would free.
    pub need: Need,
}

/// Picks those that must go to free `missing`; none if all of them together were not enough.
pub fn choose<K>(mut candidates: Vec<Candidate<K>>, missing: Need) -> Vec<Candidate<K>> {
    candidates.retain(|c| !c.need.is_nothing());
    candidates.sort_by_key(|c| c.born);
    let mut freed = Need::default();
    let mut count = 0;
    for candidate in &candidates {
        if missing.fits(freed) {
            break;
        }
        freed += candidate.need;
        count += 1;
    }
    if !missing.fits(freed) {
        return Vec::new();
    }
    candidates.truncate(count);
    candidates
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn check(missing: (u64, u64), have: &[(u64, u64, u64)], gone: &[usize]) {
        let start = Instant::now();
        let candidates = have.iter().enumerate().map(|(key, &(age_s, memory_mb, cpu_milli))| Candidate {
            key,
            born: start + Duration::from_secs(1000 - age_s),
            need: Need { memory_mb, cpu_milli },
        });
        let missing = Need { memory_mb: missing.0, cpu_milli: missing.1 };
        let chosen: Vec<_> = choose(candidates.collect(), missing).iter().map(|c| c.key).collect();
        assert_eq!(chosen, gone, "{missing:?} of {have:?}");
    }

    #[test]
    fn the_oldest_go_and_no_more_than_needed() {
        check((100, 0), &[(1, 128, 0), (3, 128, 0), (2, 128, 0)], &[1]);
        check((200, 0), &[(1, 128, 0), (3, 128, 0), (2, 128, 0)], &[1, 2]);
        check((0, 0), &[(1, 128, 0)], &[]);
    }

    #[test]
    fn nobody_goes_in_vain() {
        check((500, 0), &[(1, 128, 0), (2, 128, 0)], &[]);
        check((100, 100), &[(1, 128, 0), (2, 128, 0)], &[]);
        check((1, 0), &[(9, 0, 0), (1, 1, 0)], &[1]);
    }
}
