//! What the load saw.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::connection::Ended;

/// The calls of one run.
#[derive(Debug)]
pub(crate) struct Findings {
    began: Instant,
    /// Nanoseconds from when a call was due to its end.
    took_ns: Vec<u64>,
    failed: u64,
    first_failure: Option<String>,
    last: Instant,
}

impl Findings {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self { began: now, took_ns: Vec::new(), failed: 0, first_failure: None, last: now }
    }

    /// When the run began.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// How many calls ended, one way or the other.
    pub(crate) fn calls(&self) -> u64 {
        self.took_ns.len() as u64
    }

    /// A call ended.
    pub(crate) fn add(&mut self, ended: &Ended) {
        self.last = Instant::now();
        self.took_ns.push(nanoseconds(self.last.saturating_duration_since(ended.due)));
        match &ended.outcome {
            Ok(200) => {}
            Ok(status) => self.fail(|| format!("answered {status}")),
            Err(e) => self.fail(|| e.to_string()),
        }
    }

    /// A call that was due has no answer at the end.
    pub(crate) fn add_unanswered(&mut self, due: Instant) {
        self.took_ns.push(nanoseconds(due.elapsed()));
        self.fail(|| "unanswered at the end".to_owned());
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> String {
        let mut sorted = self.took_ns.clone();
        sorted.sort_unstable();
        let us = |share: f64| {
            // The first figure that so many are not above.
            let rank = (share * sorted.len() as f64).ceil() as usize;
            sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).map_or(0.0, |&ns| ns as f64 / 1e3)
        };
        json!({
            "calls": self.took_ns.len(),
            "failed": self.failed,
            "first_failure": self.first_failure,
            "seconds": self.last.duration_since(self.began).as_secs_f64(),
            "p50_us": us(0.5),
            "p99_us": us(0.99),
            "p999_us": us(0.999),
            "max_us": us(1.0),
        })
        .to_string()
    }

    fn fail(&mut self, why: impl FnOnce() -> String) {
        self.failed += 1;
        self.first_failure.get_or_insert_with(why);
    }
}

fn nanoseconds(took: Duration) -> u64 {
    u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_figures_that_were_seen() {
        let mut findings = Findings::new();
        findings.took_ns = (1..=100).map(|n| n * 1000).collect();
        let json: serde_json::Value = serde_json::from_str(&findings.to_json()).unwrap();
        assert_eq!((&json["p50_us"], &json["p99_us"], &json["max_us"]), (&json!(50.0), &json!(99.0), &json!(100.0)));
    }

    #[test]
    fn another_status_is_a_failure_and_the_first_is_named() {
        let mut findings = Findings::new();
        findings.add(&Ended { due: Instant::now(), outcome: Ok(502) });
        findings.add(&Ended { due: Instant::now(), outcome: Ok(503) });
        let json: serde_json::Value = serde_json::from_str(&findings.to_json()).unwrap();
        assert_eq!((&json["failed"], &json["first_failure"]), (&json!(2), &json!("answered 502")));
    }
}
