//! What containers use of the machine, looked at when somebody asks.
//!
//! No call has anything to do with it, and while nobody asks nothing is looked at. A [look](Sampler::look) goes through
//! the containers that are up, so many and for so long at most; the next one begins where it stopped. What a
//! container used between the last look at it and its end is not in any sum.
//!
//! Two kinds of numbers come of it. Fn's are distributions: each look adds one amount for each container. Ours are
//! sums over all containers: of what is counted, from the beginning of the agent on, and of memory, at this moment.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::container::usage::Usage;
use crate::keeper::Keeper;
use crate::metrics::{Page, Spread};

/// Most containers in one look,
const CONTAINERS_MAX: usize = 1024;
/// and how long it may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// Who asks again within so long is told the same again.
const REST: Duration = Duration::from_secs(1);

/// Looks at containers, and knows what it saw.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    /// When it was looked last; locked by who looks.
    looked: tokio::sync::Mutex<Option<Instant>>,
    seen: Mutex<Seen>,
}

/// What was seen so far.
#[derive(Debug)]
struct Seen {
    /// The containers that are up, as they were when they were last looked at.
    known: HashMap<String, Known>,
    /// What all containers used that were ever looked at.
    used: Usage,
    spreads: Spreads,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    at: Instant,
    usage: Usage,
}

/// Fn's distributions.
#[derive(Debug)]
struct Spreads {
    cpu_kernel: Spread,
    cpu_total: Spread,
    cpu_user: Spread,
    disk_read: Spread,
    disk_write: Spread,
    mem_limit: Spread,
    mem_usage: Spread,
    net_rx: Spread,
    net_tx: Spread,
}

const MB: f64 = 1_048_576.0;
const MBIT: f64 = 131_072.0;

/// Fn's bounds: for bytes of traffic and of disks, for memory, and for hundredths of a processor.
const IO: [f64; 11] = [
    0.0,
    MBIT,
    4.0 * MBIT,
    8.0 * MBIT,
    16.0 * MBIT,
    32.0 * MBIT,
    64.0 * MBIT,
    128.0 * MBIT,
    256.0 * MBIT,
    512.0 * MBIT,
    1024.0 * MBIT,
];
const MEMORY: [f64; 8] = [0.0, 128.0 * MB, 256.0 * MB, 512.0 * MB, 1024.0 * MB, 2048.0 * MB, 4096.0 * MB, 8192.0 * MB];
const PERCENT: [f64; 11] = [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0];

impl Sampler {
    /// Looks at the containers of `keeper`, unless that was done a moment ago or is being done. Cancel safe.
    pub(crate) async fn look(&self, keeper: &Keeper) {
        let Ok(mut looked) = self.looked.try_lock() else { return };
        if looked.is_some_and(|at| at.elapsed() < REST) {
            return;
        }
        let mut up: Vec<_> = keeper.pool.lines().iter().flat_map(|line| line.handles()).collect();
        {
            let mut seen = self.seen();
            let names: HashSet<&str> = up.iter().map(|hot| hot.name.as_str()).collect();
            seen.keep(|name| names.contains(name));
            // Those not known, or not looked at for longest, come first.
            up.sort_by_cached_key(|hot| seen.known.get(&hot.name).map(|known| known.at));
        }
        let until = tokio::time::Instant::now() + PATIENCE;
        for hot in up.into_iter().take(CONTAINERS_MAX) {
            match tokio::time::timeout_at(until, hot.container().usage()).await {
                Ok(Some(usage)) => {
                    // It worked before it could take its first call.
                    let rise = hot.phases.start + hot.phases.socket;
                    let born = hot.ready_at.checked_sub(rise).unwrap_or(hot.ready_at);
                    self.seen().note(&hot.name, born, usage, Instant::now());
                }
                Ok(None) => {}
                Err(_) => break,
            }
        }
        *looked = Some(Instant::now());
    }

    /// Tells what was seen.
    pub(crate) fn tell(&self, page: &mut Page<'_>) -> fmt::Result {
        self.seen().tell(page)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Seen {
    fn default() -> Self {
        let spreads = Spreads {
            cpu_kernel: Spread::new(&PERCENT),
            cpu_total: Spread::new(&PERCENT),
            cpu_user: Spread::new(&PERCENT),
            disk_read: Spread::new(&IO),
            disk_write: Spread::new(&IO),
            mem_limit: Spread::new(&MEMORY),
            mem_usage: Spread::new(&MEMORY),
            net_rx: Spread::new(&IO),
            net_tx: Spread::new(&IO),
        };
        Self { known: HashMap::new(), used: Usage::default(), spreads }
    }
}

impl Seen {
    /// Forgets containers that are not up any more.
    fn keep(&mut self, is_up: impl Fn(&str) -> bool) {
        self.known.retain(|name, _| is_up(name));
    }

    /// A container that is up since `born` was looked at.
    fn note(&mut self, name: &str, born: Instant, usage: Usage, now: Instant) {
        let before = self.known.insert(name.to_owned(), Known { at: now, usage });
        let Known { at: from, usage: before } = before.unwrap_or_else(|| Known { at: born, usage: Usage::default() });
        let since = usage.since(&before);
        self.used = self.used.plus(&since);

        let amount = |spread: &mut Spread, amount: Option<u64>| amount.into_iter().for_each(|n| spread.note(n as f64));
        let spreads = &mut self.spreads;
        amount(&mut spreads.disk_read, usage.read_bytes);
        amount(&mut spreads.disk_write, usage.written_bytes);
        amount(&mut spreads.mem_limit, usage.memory_bytes_max);
        amount(&mut spreads.mem_usage, usage.memory_bytes);
        amount(&mut spreads.net_rx, usage.received_bytes);
        amount(&mut spreads.net_tx, usage.sent_bytes);
        let passed = now.saturating_duration_since(from).as_secs_f64();
        let share = |spread: &mut Spread, worked: Option<Duration>| {
            if let Some(worked) = worked.filter(|_| passed > 0.0) {
                spread.note(worked.as_secs_f64() / passed * 100.0);
            }
        };
        share(&mut spreads.cpu_kernel, since.cpu_kernel);
        share(&mut spreads.cpu_total, since.cpu_total);
        share(&mut spreads.cpu_user, since.cpu_user);
    }

    fn tell(&self, page: &mut Page<'_>) -> fmt::Result {
        let spreads = &self.spreads;
        for (name, help, spread) in [
            (
                "fn_docker_stats_cpu_kernel",
                "Hundredths of a processor that worked in the kernel for a container",
                &spreads.cpu_kernel,
            ),
            ("fn_docker_stats_cpu_total", "Hundredths of a processor that worked for a container", &spreads.cpu_total),
            (
                "fn_docker_stats_cpu_user",
                "Hundredths of a processor that worked in a container's own code",
                &spreads.cpu_user,
            ),
            ("fn_docker_stats_disk_read", "Bytes that a container has read from disks", &spreads.disk_read),
            ("fn_docker_stats_disk_write", "Bytes that a container has written to disks", &spreads.disk_write),
            ("fn_docker_stats_mem_limit", "Bytes of memory that a container may have", &spreads.mem_limit),
            ("fn_docker_stats_mem_usage", "Bytes of memory that a container has", &spreads.mem_usage),
            ("fn_docker_stats_net_rx", "Bytes that came in over a container's network", &spreads.net_rx),
            ("fn_docker_stats_net_tx", "Bytes that went out over a container's network", &spreads.net_tx),
        ] {
            page.amounts(name, help, spread)?;
        }
        let sum = |of: fn(&Usage) -> Option<u64>| self.known.values().filter_map(|known| of(&known.usage)).sum();
        let looked_at = u64::try_from(self.known.len()).unwrap_or(u64::MAX);
        page.gauge("hotfn_container_looked_at", "Containers that these sums are of", looked_at)?;
        page.gauge("hotfn_container_memory_bytes", "Memory that containers have", sum(|usage| usage.memory_bytes))?;
        let limit = sum(|usage| usage.memory_bytes_max);
        page.gauge("hotfn_container_memory_limit_bytes", "Memory that containers may have", limit)?;
        let used = &self.used;
        let seconds = |worked: Option<Duration>| worked.unwrap_or_default().as_secs_f64();
        page.seconds_by(
            "hotfn_container_cpu_seconds",
            "Time that processors worked for containers",
            [([("mode", "kernel")], seconds(used.cpu_kernel)), ([("mode", "user")], seconds(used.cpu_user))],
        )?;
        let bytes = |first: &'static str, count: Option<u64>| ([("direction", first)], count.unwrap_or_default());
        let disk = [bytes("read", used.read_bytes), bytes("write", used.written_bytes)];
        page.counters("hotfn_container_disk_bytes", "Bytes that containers moved from and to disks", disk)?;
        let network = [bytes("in", used.received_bytes), bytes("out", used.sent_bytes)];
        page.counters("hotfn_container_network_bytes", "Bytes that containers moved over their networks", network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worked(seconds: u64, received: u64, memory: u64) -> Usage {
        Usage {
            cpu_user: Some(Duration::from_secs(seconds)),
            received_bytes: Some(received),
            memory_bytes: Some(memory),
            ..Usage::default()
        }
    }

    #[test]
    fn what_is_counted_adds_up_whoever_goes() {
        let (mut seen, born) = (Seen::default(), Instant::now());
        let at = |seconds| born + Duration::from_secs(seconds);
        seen.note("a", born, worked(1, 100, 5), at(10));
        seen.note("b", born, worked(2, 0, 7), at(10));
        seen.note("a", born, worked(4, 150, 6), at(20));
        let memory: u64 = seen.known.values().filter_map(|known| known.usage.memory_bytes).sum();
        assert_eq!(
            (seen.used.cpu_user, seen.used.received_bytes, memory),
            (Some(Duration::from_secs(6)), Some(150), 13)
        );
        seen.keep(|name| name == "b");
        assert_eq!((seen.used.received_bytes, seen.known.len()), (Some(150), 1));
        assert_eq!(seen.used.cpu_total, None, "nobody could tell");
    }

    #[test]
    fn a_share_of_a_processor_is_of_the_time_since_the_last_look() {
        let (mut seen, born) = (Seen::default(), Instant::now());
        let at = |seconds| born + Duration::from_secs(seconds);
        seen.note("a", born, worked(5, 0, 0), at(10));
        seen.note("a", born, worked(6, 0, 0), at(20));
        // 50 and 10 percent.
        assert_eq!(seen.spreads.cpu_user.told(), (2, 60.0));
        seen.note("a", born, worked(9, 0, 0), at(20));
        assert_eq!(seen.spreads.cpu_user.told().0, 2, "of no time there is no share");
    }
}
