//! Does a call cost more where there is more of everything? Hot containers of one function, hot
//! containers of many, and functions that are only known.
//!
//! One connection, so that the function is never more than one process away: what is looked for is the
//! node's own cost. Calls that are spread wake another process each time, whose memory nothing has
//! kept in the processor's caches; that part of it is the machine's price and nobody's to save.

use anyhow::{Context, Result};

use super::{Bench, args, closed};
use crate::bench::contender::{Contender, Deployed, node};
use crate::bench::ledger::Figure;
use crate::bench::load;
use crate::bench::process;
use crate::bench::stage::Stage;

/// Calls before it is measured, and one for each function, whose process may start for it.
const WARM_UP_CALLS: u32 = 5_000;

/// A node, its name in the report, and how many functions its calls go to.
struct Fleet {
    name: String,
    node: Contender,
    spread: u32,
}

pub(super) fn measure(bench: &mut Bench<'_>) -> Result<()> {
    let mut fleets = Vec::new();
    for &containers in &bench.options.containers {
        let plural = if containers == 1 { "" } else { "s" };
        fleets.push(Fleet::of(bench.stage, format!("{containers} container{plural}"), 1, containers, 1)?);
    }
    let most = bench.options.containers.iter().copied().max().unwrap_or(1);
    let functions = bench.options.functions;
    fleets.push(Fleet::of(bench.stage, format!("{most} functions hot, calls to all"), most, 1, most)?);
    fleets.push(Fleet::of(bench.stage, format!("{functions} functions, calls to one"), functions, 0, 1)?);
    fleets.push(Fleet::of(bench.stage, format!("{functions} functions, calls to {most}"), functions, 0, most)?);
    for fleet in &fleets {
        let all = (WARM_UP_CALLS + fleet.spread).to_string();
        fleet.call(bench, &[("calls", all), ("seconds", "60".into())]).context("while warming up")?;
    }
    bench.rounds(&mut fleets, |bench, fleet| {
        let (front, _) = fleet.node.cpu()?;
        let seen = fleet.call(bench, &[("seconds", bench.options.seconds.to_string())])?;
        let front = fleet.node.cpu()?.0.since(front, seen.calls);
        let figures = [
            (Figure::FrontUserUs, front.user_us),
            (Figure::FrontSystemUs, front.system_us),
            (Figure::MemoryBytes, process::rss_bytes(fleet.node.front.id())?),
        ];
        bench.note("1 connection", &fleet.name, &[&closed(seen)[..], &figures[..]].concat());
        Ok(())
    })
}

impl Fleet {
    fn of(stage: &Stage, name: String, functions: u32, warm: u32, spread: u32) -> Result<Self> {
        let echo = Deployed { min_warm: warm, ..Deployed::new(stage, "echo") };
        let functions: Vec<_> = (0..functions).map(|n| Deployed { id: format!("f{n}"), ..echo.clone() }).collect();
        let node = node(stage, "fleet", &functions)?;
        let hot = functions.len() * warm as usize;
        let all = || node.functions().is_ok_and(|found| found.len() >= hot);
        process::wait_until(&format!("{hot} containers of {name}"), all)?;
        Ok(Self { name, node, spread })
    }

    fn call(&self, bench: &Bench<'_>, options: &[(&str, String)]) -> Result<load::Seen> {
        let args = args(&[options, &[("spread", self.spread.to_string())]].concat());
        load::run(load::command(bench.stage, &self.node, "/invoke/f{}", &args), &self.node)
    }
}
