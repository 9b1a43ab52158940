//! What the system knows of this process, under the names that every exporter uses.

use std::fmt;
use std::fs;

use hotfn::metrics::Page;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use rustix::process::{Resource, getrlimit};

/// Tells of this process, each time it is asked. What the system does not say is left out.
#[derive(Debug)]
pub(super) struct Process;

/// What of `/proc/self/stat` is told.
#[derive(Debug, PartialEq)]
struct Stat {
    /// In s.
    cpu: f64,
    /// In s, since the machine was started.
    started: f64,
    threads: u64,
    virtual_bytes: u64,
    resident_bytes: u64,
}

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        page.info("hotfn_build", "What this program is", &[("version", env!("CARGO_PKG_VERSION"))])?;
        let (ticks, page_bytes) = (rustix::param::clock_ticks_per_second(), rustix::param::page_size());
        let stat = fs::read_to_string("/proc/self/stat").ok();
        if let Some(stat) = stat.and_then(|text| Stat::of(&text, ticks, page_bytes as u64)) {
            page.seconds("process_cpu_seconds", "Time that processors worked for this process", stat.cpu)?;
            page.gauge("process_threads", "Threads of this process", stat.threads)?;
            page.gauge("process_virtual_memory_bytes", "Memory that was asked for", stat.virtual_bytes)?;
            page.gauge("process_resident_memory_bytes", "Memory that is there", stat.resident_bytes)?;
            if let Some(booted) = fs::read_to_string("/proc/stat").ok().and_then(|text| booted(&text)) {
                let started = booted + stat.started as u64;
                page.gauge("process_start_time_seconds", "When this process was started, in Unix time", started)?;
            }
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is the look itself.
            let open = open.count().saturating_sub(1) as u64;
            page.gauge("process_open_fds", "Descriptors that are open", open)?;
        }
        match getrlimit(Resource::Nofile).current {
            Some(max) => page.gauge("process_max_fds", "Descriptors that may be open", max),
            None => Ok(()),
        }
    }
}

impl Stat {
    /// Of the text of `/proc/self/stat`. The program's name in it may hold anything, so that reading
    /// begins behind it.
    fn of(text: &str, ticks: u64, page_bytes: u64) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        // The first of these is the third of the manual's list.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let seconds = |ticks_passed: u64| ticks_passed as f64 / ticks as f64;
        Some(Self {
            cpu: seconds(field(14)? + field(15)?),
            threads: field(20)?,
            started: seconds(field(22)?),
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * page_bytes,
        })
    }
}

/// Of the text of `/proc/stat`: when the machine was started, in Unix time.
fn booted(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_read_whatever_the_program_is_called() {
        let text = "7 (a ) b) S 1 7 7 0 -1 4194560 10 0 0 0 150 50 0 0 20 0 3 0 1000 8192000 25 18446744073709551615";
        let stat = Stat::of(text, 100, 4096).unwrap();
        let expected =
            Stat { cpu: 2.0, started: 10.0, threads: 3, virtual_bytes: 8_192_000, resident_bytes: 25 * 4096 };
        assert_eq!(stat, expected);
        assert_eq!(Stat::of("7 (a) S 1", 100, 4096), None);
        assert_eq!(booted("cpu 1 2\nbtime 1700000000\n"), Some(1_700_000_000));
    }
}
