//! The medians, the ratios, and how a person and a program read them.

use std::fmt;

use anyhow::{Context, Result};
use serde_json::json;

use super::hot::Turn;

/// The contenders as rows, in the order a reader compares them.
const ROWS: [&str; 3] = ["hotfn", "nginx", "direct"];

/// What all rounds together say.
#[derive(Debug)]
pub(crate) struct Report {
    pinned: bool,
    rounds: u32,
    seconds: u32,
    rows: Vec<Row>,
    ratios: Vec<Ratio>,
}

/// The medians of one contender at one number of connections.
#[derive(Debug)]
struct Row {
    contender: &'static str,
    connections: u32,
    requests_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    rss_bytes: f64,
}

/// How hotfn's throughput compares.
#[derive(Debug)]
struct Ratio {
    connections: u32,
    to_nginx: f64,
    to_direct: f64,
}

impl Report {
    /// Sums up `turns`.
    pub(crate) fn of(turns: &[Turn], connections: &[u32], pinned: bool, rounds: u32, seconds: u32) -> Result<Self> {
        let mut rows = Vec::new();
        let mut ratios = Vec::new();
        for &connections in connections {
            let at = |name| Row::of(turns, name, connections);
            let [hotfn, nginx, direct] = ROWS.map(at);
            let (hotfn, nginx, direct) = (hotfn?, nginx?, direct?);
            ratios.push(Ratio {
                connections,
                to_nginx: hotfn.requests_per_second / nginx.requests_per_second,
                to_direct: hotfn.requests_per_second / direct.requests_per_second,
            });
            rows.extend([hotfn, nginx, direct]);
        }
        Ok(Self { pinned, rounds, seconds, rows, ratios })
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> String {
        let rows = self.rows.iter().map(|row| {
            json!({
                "contender": row.contender,
                "connections": row.connections,
                "requests_per_second": row.requests_per_second.round(),
                "p50_us": row.p50_us,
                "p99_us": row.p99_us,
                "rss_bytes": row.rss_bytes,
            })
        });
        let ratios = self.ratios.iter().map(|ratio| {
            json!({
                "connections": ratio.connections,
                "hotfn_to_nginx": round(ratio.to_nginx),
                "hotfn_to_direct": round(ratio.to_direct),
            })
        });
        let whole = json!({
            "benchmark": "hot",
            "pinned": self.pinned,
            "rounds": self.rounds,
            "seconds": self.seconds,
            "medians": rows.collect::<Vec<_>>(),
            "throughput_ratios": ratios.collect::<Vec<_>>(),
        });
        format!("{whole:#}\n")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = if self.pinned { "one core" } else { "all cores" };
        writeln!(f, "medians of {} rounds of {} s on {cores}, 16-byte bodies", self.rounds, self.seconds)?;
        writeln!(f)?;
        writeln!(f, "connections  contender     req/s   p50 µs   p99 µs  memory MiB")?;
        for row in &self.rows {
            writeln!(
                f,
                "{:>11}  {:<9} {:>9.0} {:>8.0} {:>8.0} {:>11.1}",
                row.connections,
                row.contender,
                row.requests_per_second,
                row.p50_us,
                row.p99_us,
                row.rss_bytes / f64::from(1 << 20),
            )?;
        }
        writeln!(f)?;
        writeln!(f, "throughput of hotfn")?;
        for ratio in &self.ratios {
            writeln!(
                f,
                "{:>11}  {:.2} of nginx's, {:.2} of the function's without a front",
                ratio.connections, ratio.to_nginx, ratio.to_direct,
            )?;
        }
        Ok(())
    }
}

impl Row {
    fn of(turns: &[Turn], contender: &'static str, connections: u32) -> Result<Self> {
        let median_of = |figure: fn(&Turn) -> f64| {
            let of = |turn: &&Turn| turn.contender == contender && turn.connections == connections;
            median(turns.iter().filter(of).map(figure).collect())
                .with_context(|| format!("{contender} had no turn at {connections} connections"))
        };
        Ok(Self {
            contender,
            connections,
            requests_per_second: median_of(|t| t.seen.requests_per_second)?,
            p50_us: median_of(|t| t.seen.p50_us)?,
            p99_us: median_of(|t| t.seen.p99_us)?,
            rss_bytes: median_of(|t| t.rss_bytes as f64)?,
        })
    }
}

/// The middle one, or the mean of the middle two; `None` of none.
fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    let upper = *figures.get(middle)?;
    Some(if figures.len() % 2 == 1 { upper } else { f64::midpoint(figures[middle - 1], upper) })
}

fn round(ratio: f64) -> f64 {
    (ratio * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::Seen;

    fn turn(contender: &'static str, requests_per_second: f64) -> Turn {
        let seen = Seen { requests_per_second, p50_us: 20.0, p99_us: 90.0 };
        Turn { contender, connections: 8, seen, rss_bytes: 4 << 20 }
    }

    #[test]
    fn the_middle_figure_is_the_median() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.5));
    }

    #[test]
    fn ratios_come_last_and_in_the_file() {
        let turns = [turn("hotfn", 900.0), turn("nginx", 1000.0), turn("direct", 1800.0)];
        let report = Report::of(&turns, &[8], false, 1, 3).unwrap();
        assert!(
            report.to_string().ends_with("8  0.90 of nginx's, 0.50 of the function's without a front\n"),
            "{report}"
        );
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!(json["throughput_ratios"][0]["hotfn_to_nginx"], 0.9);
    }

    #[test]
    fn a_contender_that_never_ran_is_named() {
        let e = Report::of(&[turn("hotfn", 1.0)], &[8], false, 1, 3).unwrap_err();
        assert_eq!(e.to_string(), "nginx had no turn at 8 connections");
    }
}
