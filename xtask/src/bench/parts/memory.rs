//! What is held: by a node with one hot function, for an idle container, for a busy pair of
//! connections; and by the function.

use anyhow::Result;

use super::Bench;
use crate::bench::contender::{Contender, Deployed, node};
use crate::bench::ledger::Figure;
use crate::bench::{load, process};

/// Connections between which the growth is shared out.
const CONNECTIONS: (u32, u32) = (8, 512);
/// Idle containers among which theirs is.
const CONTAINERS: u32 = 500;

pub(super) fn measure(bench: &mut Bench<'_>) -> Result<()> {
    let hotfn = Contender::hotfn(bench.stage, "echo")?;
    let rss = |contender: &Contender| process::rss_bytes(contender.front.id());
    // It was asked once; a second of calls makes it as large as it gets with one caller.
    load::wrk(bench.stage, &hotfn, 1, 1)?;
    let one = rss(&hotfn)?;
    let function = hotfn.functions()?.first().map(|id| process::rss_bytes(*id)).transpose()?;
    load::wrk(bench.stage, &hotfn, CONNECTIONS.0, 1)?;
    let few = rss(&hotfn)?;
    load::wrk(bench.stage, &hotfn, CONNECTIONS.1, 2)?;
    let pair = (rss(&hotfn)? - few) / f64::from(CONNECTIONS.1 - CONNECTIONS.0);

    let warm = Deployed { min_warm: CONTAINERS, ..Deployed::new(bench.stage, "echo") };
    let alone = node(bench.stage, "alone", &[Deployed { min_warm: 1, ..warm.clone() }])?;
    let among = node(bench.stage, "among", &[warm])?;
    let all = || among.functions().is_ok_and(|found| found.len() >= CONTAINERS as usize);
    process::wait_until(&format!("{CONTAINERS} containers"), all)?;
    // Those that are last to start are not connected yet: give them calls to settle by.
    for contender in [&alone, &among] {
        load::wrk(bench.stage, contender, 1, 1)?;
    }
    let idle = (rss(&among)? - rss(&alone)?) / f64::from(CONTAINERS - 1);

    bench.note("node with one hot function", "hotfn", &[(Figure::MemoryBytes, one)]);
    bench.note("idle container", "hotfn", &[(Figure::MemoryBytes, idle)]);
    bench.note("busy pair of connections", "hotfn", &[(Figure::MemoryBytes, pair)]);
    if let Some(function) = function {
        bench.note("function", "hotfn", &[(Figure::MemoryBytes, function)]);
    }
    Ok(())
}
