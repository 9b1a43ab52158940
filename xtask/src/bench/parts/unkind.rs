//! A quiet function's times while another one misbehaves on the same node.

use std::fs;

use anyhow::{Context, Result};

use super::open::{at_rate, capacity};
use super::{Bench, args};
use crate::bench::contender::{CONCURRENCY, Contender, Deployed, node};
use crate::bench::ledger::Figure;
use crate::bench::load;
use crate::bench::part::Cores;
use crate::bench::process::{self, Process};

/// Percent of the undisturbed capacity that the quiet function is asked for.
const SHARE: f64 = 20.0;
/// How long a neighbour goes on at most: longer than any turn.
const NEIGHBOUR_SECONDS: u32 = 600;

/// What the neighbour does: the load on `faulty` and the script in every call's body.
struct Neighbour {
    name: &'static str,
    script: &'static str,
    load: &'static [&'static str],
}

const NEIGHBOURS: [Neighbour; 3] = [
    Neighbour { name: "neighbour computes", script: "burn 100", load: &["--connections", "1"] },
    Neighbour { name: "neighbour floods its log", script: "eprint 1000000", load: &["--connections", "1"] },
    Neighbour { name: "ten containers a second die", script: "exit 1", load: &["--connections", "8", "--rate", "10"] },
];

pub(super) fn measure(bench: &mut Bench<'_>) -> Result<()> {
    let quiet = Deployed { concurrency: CONCURRENCY, ..Deployed::new(bench.stage, "echo") };
    let hotfn = node(bench.stage, "unkind", &[quiet, Deployed::new(bench.stage, "faulty")])?;
    capacity(bench, &hotfn)?;
    let rate = capacity(bench, &hotfn)? * SHARE / 100.0;
    for _ in 0..bench.options.rounds {
        turn(bench, &hotfn, rate, "undisturbed")?;
        for neighbour in &NEIGHBOURS {
            let _load = neighbour.begin(bench, &hotfn)?;
            turn(bench, &hotfn, rate, neighbour.name)?;
        }
    }
    Ok(())
}

fn turn(bench: &mut Bench<'_>, hotfn: &Contender, rate: f64, name: &str) -> Result<()> {
    let schedule = at_rate(bench, rate);
    // With a core to spare the load keeps its schedule by itself, and ahead of everybody it would only
    // push them from core to core.
    let seen = match bench.stage.cores {
        Cores::One => load::punctual(bench.stage, hotfn, &schedule)?,
        Cores::All => load::ours(bench.stage, hotfn, &schedule)?,
    };
    let figures = [
        (Figure::Rate, seen.per_second()),
        (Figure::P50, seen.p50_us),
        (Figure::P99, seen.p99_us),
        (Figure::P999, seen.p999_us),
    ];
    bench.note("20 % of capacity", name, &figures);
    Ok(())
}

impl Neighbour {
    /// Begins, and is at it when this returns. Its own calls may fail as they like.
    fn begin(&self, bench: &Bench<'_>, hotfn: &Contender) -> Result<Process> {
        let containers = hotfn.functions()?;
        let seconds = args(&[("seconds", NEIGHBOUR_SECONDS.to_string()), ("body", self.script.to_owned())]);
        let mut load = load::command(bench.stage, hotfn, "/invoke/faulty", &seconds);
        load.args(self.load);
        let log = bench.stage.folder.join("neighbour.log");
        let load = Process::spawn(&mut load, &log)?;
        let began =
            || hotfn.functions().is_ok_and(|now| now.iter().any(|id| !containers.contains(id)) || now.len() > 1);
        process::wait_until(self.name, began)
            .with_context(|| fs::read_to_string(&log).unwrap_or_else(|e| e.to_string()))?;
        Ok(load)
    }
}
