//! 16 bytes over kept-open connections: rate, times, and what of it is whose processor time.

use anyhow::{Context, Result};

use super::{Bench, closed, everybody};
use crate::bench::contender::Contender;
use crate::bench::ledger::Figure;
use crate::bench::{load, process};

/// Connections of the load that warms up.
const WARM_UP_CONNECTIONS: u32 = 64;

pub(super) fn measure(bench: &mut Bench<'_>) -> Result<()> {
    let mut contenders = everybody(bench.stage, "echo")?;
    for contender in &contenders {
        load::wrk(bench.stage, contender, WARM_UP_CONNECTIONS, 1).context("while warming up")?;
    }
    for &connections in &bench.options.connections {
        bench.rounds(&mut contenders, |bench, contender| turn(bench, contender, connections))?;
    }
    Ok(())
}

fn turn(bench: &mut Bench<'_>, contender: &Contender, connections: u32) -> Result<()> {
    let (front, function) = contender.cpu()?;
    let seen = load::wrk(bench.stage, contender, connections, bench.options.seconds)?;
    let (front_after, function_after) = contender.cpu()?;
    let front = front_after.since(front, seen.calls);
    let function = function_after.since(function, seen.calls);
    let figures = [
        (Figure::FrontUserUs, front.user_us),
        (Figure::FrontSystemUs, front.system_us),
        (Figure::FunctionUserUs, function.user_us),
        (Figure::FunctionSystemUs, function.system_us),
        (Figure::MemoryBytes, process::rss_bytes(contender.front.id())?),
    ];
    let case = if connections == 1 { "1 connection".to_owned() } else { format!("{connections} connections") };
    bench.note(&case, contender.name, &[&closed(seen)[..], &figures[..]].concat());
    Ok(())
}
