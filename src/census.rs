//! What an agent looks like at this moment, and what it has counted, as metrics.
//!
//! How many calls wait, how many containers are idle and how much of the node is taken is looked at
//! when somebody asks. That takes each function's lock once, for a moment.

use std::fmt;
use std::sync::Arc;

use hotfn_protocols::Kind;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::keeper::Keeper;
use crate::metrics::Page;
use crate::pool::Count;

/// Tells of an agent, each time it is asked.
#[derive(Debug)]
pub(crate) struct Census(pub(crate) Arc<Keeper>);

const MB: u64 = 1 << 20;

impl Collector for Census {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        let now: Count = self.0.pool.lines().iter().map(|line| line.count()).sum();
        self.calls(&mut page, &now)?;
        self.containers(&mut page, &now)?;
        self.programs(&mut page)?;
        self.room(&mut page)?;
        self.0.sampler.tell(&mut page)?;
        self.0.driver.tell(&mut page)
    }
}

impl Census {
    fn calls(&self, page: &mut Page<'_>, now: &Count) -> fmt::Result {
        let sums = self.0.calls.sums();
        let busy = |kind: Kind| matches!(kind, Kind::Busy | Kind::Draining);
        let late = |kind: Kind| matches!(kind, Kind::InitTimeout | Kind::PullTimeout | Kind::TimedOut);
        let left = |kind: Kind| kind == Kind::CallerLeft;
        let error = |kind: Kind| !busy(kind) && !late(kind) && !left(kind);
        page.plain("fn_queued", "Calls that wait for a container", now.waiting)?;
        page.plain("fn_running", "Calls that a container works on", now.calls)?;
        page.plain("fn_calls", "Calls that came", sums.begun)?;
        page.plain("fn_completed", "Calls whose whole answer came from their function", sums.answered)?;
        page.plain(
            "fn_canceled",
            "Calls whose caller left first, or within the answer",
            sums.left + sums.faults_that(left),
        )?;
        page.plain("fn_timeouts", "Calls that were not answered in time", sums.faults_that(late))?;
        page.plain("fn_errors", "Calls that failed otherwise", sums.faults_that(error))?;
        page.plain("fn_server_busy", "Calls for which there was no room", sums.faults_that(busy))?;

        page.counter("hotfn_calls", "Calls that came", sums.begun)?;
        page.counter("hotfn_calls_answered", "Calls whose whole answer came from their function", sums.answered)?;
        page.counter("hotfn_calls_left", "Calls whose caller left before there was an answer", sums.left)?;
        let faults = sums.faults().map(|(kind, n)| ([("code", kind.code()), ("blame", kind.blame().as_str())], n));
        page.counters("hotfn_call_faults", "Calls that ended in a fault", faults)?;
        let help = "From a call's arrival to its answer's head";
        page.durations("hotfn_call_duration_seconds", help, &sums.took)?;
        let help = "The part of it before it had a container";
        page.durations("hotfn_call_queue_seconds", help, &sums.queued)?;

        let help = "How long a container worked on a call, to its answer's head";
        page.durations("fn_container_busy_duration_seconds", help, &sums.busy)?;
        let help = "How long a container idled, awake, before it was given again";
        page.durations("fn_container_idle_duration_seconds", help, &sums.idle)?;
        let help = "How long a container was frozen before it was given again";
        page.durations("fn_container_paused_duration_seconds", help, &sums.paused)
    }

    fn containers(&self, page: &mut Page<'_>, now: &Count) -> fmt::Result {
        let states = [
            ("wait", "fn_container_wait_total", "Containers that wait for room", now.wanted),
            ("start", "fn_container_start_total", "Containers on their way up", now.starting),
            ("idle", "fn_container_idle_total", "Containers that are hot and idle", now.idle),
            ("paused", "fn_container_paused_total", "Containers that are hot and frozen", now.frozen),
            ("busy", "fn_container_busy_total", "Containers that work", now.busy),
        ];
        for (_, name, help, count) in states {
            page.plain(name, help, count)?;
        }
        let ours = states.map(|(state, _, _, count)| ([("state", state)], count));
        let ours = ours.into_iter().chain([([("state", "end")], now.leaving)]);
        page.gauges("hotfn_containers", "Containers, by what they do", ours)?;
        let evicted = self.0.pool.evicted();
        page.plain("fn_container_evictions", "Idle containers that went for another function's sake", evicted)?;
        page.counter("hotfn_container_evictions", "Idle containers that went for another function's sake", evicted)?;
        self.0.launches.write(page)
    }

    fn programs(&self, page: &mut Page<'_>) -> fmt::Result {
        let counts = &self.0.programs;
        page.counter("hotfn_exec_programs", "Programs of this host that functions started", counts.begun())?;
        page.gauge("hotfn_exec_running", "Programs of this host that run for functions", counts.running())?;
        page.counter("hotfn_exec_refusals", "Wishes of functions for programs that were refused", counts.refused())
    }

    fn room(&self, page: &mut Page<'_>) -> fmt::Result {
        let (total, used) = (self.0.pool.total(), self.0.pool.used());
        let left = |total: u64, used: u64| total.saturating_sub(used);
        page.plain("fn_util_cpu_used", "Thousandths of a CPU that containers count for", used.cpu_milli)?;
        page.plain("fn_util_cpu_avail", "Thousandths of a CPU that are left", left(total.cpu_milli, used.cpu_milli))?;
        page.plain("fn_util_mem_used", "Bytes that containers count for", used.memory_mb * MB)?;
        let free = left(total.memory_mb, used.memory_mb) * MB;
        page.plain("fn_util_mem_avail", "Bytes that are left for containers", free)?;
        page.gauge("hotfn_memory_used_bytes", "Memory that containers count for", used.memory_mb * MB)?;
        page.gauge("hotfn_memory_bytes", "Memory there is for containers", total.memory_mb * MB)
    }
}
