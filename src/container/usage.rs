//! What a container uses of the machine, at one moment.
//!
//! Plain data. What is counted is counted from the container's beginning; what cannot be told is `None`, and is not
//! nothing. Where it is read from is the driver's: the container's control group ([`cgroup`](super::cgroup)), or the
//! process itself where there is no group of its own.

use std::time::Duration;

/// What a container uses of the machine, and has used so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Time that processors worked for it, in all.
    pub cpu_total: Option<Duration>,
    /// The part of it in its own code,
    pub cpu_user: Option<Duration>,
    /// and the part in the kernel on its behalf.
    pub cpu_kernel: Option<Duration>,
    /// Bytes of memory that it has, what the kernel keeps of its files included.
    pub memory_bytes: Option<u64>,
    /// Bytes that it may have; `None` also if there is no bound.
    pub memory_bytes_max: Option<u64>,
    /// Bytes that came in over its network.
    pub received_bytes: Option<u64>,
    /// Bytes that went out over it.
    pub sent_bytes: Option<u64>,
    /// Bytes that were read from disks for it.
    pub read_bytes: Option<u64>,
    /// Bytes that were written to disks for it.
    pub written_bytes: Option<u64>,
}

impl Usage {
    /// What was used since `before`, of what is counted; the rest as it is now. A counter that is smaller than
    /// before is one that has begun anew.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let less = |now: Option<u64>, before: Option<u64>| {
            now.map(|now| now.checked_sub(before.unwrap_or_default()).unwrap_or(now))
        };
        let shorter = |now: Option<Duration>, before: Option<Duration>| {
            now.map(|now| now.checked_sub(before.unwrap_or_default()).unwrap_or(now))
        };
        Self {
            cpu_total: shorter(self.cpu_total, before.cpu_total),
            cpu_user: shorter(self.cpu_user, before.cpu_user),
            cpu_kernel: shorter(self.cpu_kernel, before.cpu_kernel),
            received_bytes: less(self.received_bytes, before.received_bytes),
            sent_bytes: less(self.sent_bytes, before.sent_bytes),
            read_bytes: less(self.read_bytes, before.read_bytes),
            written_bytes: less(self.written_bytes, before.written_bytes),
            ..*self
        }
    }

    /// Both together, of what is counted; what neither can tell is still not told.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let more = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
        let longer = |one: Option<Duration>, other: Option<Duration>| match (one, other) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
        Self {
            cpu_total: longer(self.cpu_total, other.cpu_total),
            cpu_user: longer(self.cpu_user, other.cpu_user),
            cpu_kernel: longer(self.cpu_kernel, other.cpu_kernel),
            received_bytes: more(self.received_bytes, other.received_bytes),
            sent_bytes: more(self.sent_bytes, other.sent_bytes),
            read_bytes: more(self.read_bytes, other.read_bytes),
            written_bytes: more(self.written_bytes, other.written_bytes),
            memory_bytes: None,
            memory_bytes_max: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told_from_the_last_look_on() {
        let seconds = |s| Some(Duration::from_secs(s));
        let before = Usage { cpu_total: seconds(3), received_bytes: Some(10), read_bytes: Some(9), ..Usage::default() };
        let now = Usage {
            cpu_total: seconds(5),
            cpu_user: seconds(1),
            memory_bytes: Some(7),
            received_bytes: Some(15),
            read_bytes: Some(4),
            ..Usage::default()
        };
        let since = now.since(&before);
        assert_eq!((since.cpu_total, since.cpu_user, since.cpu_kernel), (seconds(2), seconds(1), None));
        assert_eq!((since.memory_bytes, since.received_bytes), (Some(7), Some(5)));
        assert_eq!(since.read_bytes, Some(4), "begun anew");
        assert_eq!(now.since(&Usage::default()), now);
    }
}
