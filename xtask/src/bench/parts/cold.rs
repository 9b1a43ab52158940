//! A first call, for which a process has to start, beside that process started by hand.

use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Bench, args};
use crate::bench::contender::{Contender, Deployed, node};
use crate::bench::ledger::Figure;
use crate::bench::load;

/// First calls in a turn, each of a function nobody has called.
const CALLS: u32 = 50;

pub(super) fn measure(bench: &mut Bench<'_>) -> Result<()> {
    // The first function answers while the node starts; it and its process are left out.
    let functions = 1 + CALLS * bench.options.rounds;
    let echo = Deployed::new(bench.stage, "echo");
    let functions: Vec<_> = (0..functions).map(|n| Deployed { id: format!("f{n}"), ..echo.clone() }).collect();
    let hotfn = node(bench.stage, "cold", &functions)?;
    let mut from = 1;
    for _ in 0..bench.options.rounds {
        by_hand(bench)?;
        through_the_node(bench, &hotfn, from)?;
        from += CALLS;
    }
    Ok(())
}

fn through_the_node(bench: &mut Bench<'_>, hotfn: &Contender, from: u32) -> Result<()> {
    let calls = CALLS.to_string();
    let args =
        args(&[("calls", calls.clone()), ("spread", calls), ("from", from.to_string()), ("seconds", "60".into())]);
    let seen = load::run(load::command(bench.stage, hotfn, "/invoke/f{}", &args), hotfn)?;
    bench.note("first call", "hotfn", &[(Figure::P50, seen.p50_us), (Figure::P99, seen.p99_us)]);
    Ok(())
}

fn by_hand(bench: &mut Bench<'_>) -> Result<()> {
    let mut command = bench.stage.command(bench.stage.built("first-bytes"));
    command.args(["--count", &CALLS.to_string(), "--"]).arg(bench.stage.built("echo")).stdin(Stdio::null());
    let out = command.output().context("cannot start first-bytes")?;
    let found: Value = serde_json::from_slice(&out.stdout)
        .with_context(|| format!("first-bytes found nothing: {}", String::from_utf8_lossy(&out.stderr)))?;
    let us = |key: &str| found[key].as_f64().with_context(|| format!("first-bytes does not tell {key}"));
    bench.note("first call", "by hand", &[(Figure::P50, us("p50_us")?), (Figure::P99, us("p99_us")?)]);
    Ok(())
}
