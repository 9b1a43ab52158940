//! When to look for calls that are due, as far as this node knows of any.
//!
//! Some wait for their next try, some run on a node that may die; all of them are in the store with the moment from
//! which on anybody may take them. So who looked knows when to look again, unless something is written meanwhile that
//! is due earlier.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// Rings at the earliest of the moments it was set to.
#[derive(Debug)]
pub(super) struct Alarm {
    /// Milliseconds since 1970.
    at: AtomicU64,
    earlier: Notify,
}

impl Default for Alarm {
    fn default() -> Self {
        Self { at: AtomicU64::new(u64::MAX), earlier: Notify::new() }
    }
}

impl Alarm {
    /// Forgets all moments. To be called before a look, so that what is set during it stays.
    pub(super) fn clear(&self) {
        self.at.store(u64::MAX, Ordering::Relaxed);
    }

    /// Rings at `at`, in milliseconds since 1970, if not before.
    pub(super) fn set(&self, at: u64) {
        if self.at.fetch_min(at, Ordering::Relaxed) > at {
            self.earlier.notify_one();
        }
    }

    /// How long it is from `now` until it rings.
    pub(super) fn rings_in(&self, now: u64) -> Duration {
        Duration::from_millis(self.at.load(Ordering::Relaxed).saturating_sub(now))
    }

    /// Resolves when it was set to ring earlier. Cancel safe.
    pub(super) async fn set_earlier(&self) {
        self.earlier.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn it_rings_at_the_earliest_moment() {
        let alarm = Alarm::default();
        assert!(alarm.rings_in(1000) > Duration::from_secs(1 << 40));
        alarm.set(5000);
        assert_eq!(alarm.set_earlier().now_or_never(), Some(()));
        alarm.set(6000);
        assert_eq!((alarm.set_earlier().now_or_never(), alarm.rings_in(1000)), (None, Duration::from_secs(4)));
        alarm.set(2000);
        assert_eq!((alarm.rings_in(1000), alarm.rings_in(3000)), (Duration::from_secs(1), Duration::ZERO));
        alarm.clear();
        assert!(alarm.rings_in(0) > Duration::from_secs(1 << 40));
    }
}
