//! What a call takes, without a clock that the machine shares: instructions of the agent, the node
//! and the function. And the agent alone, without any front: its processor time, and its allocations.

use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Bench;
use crate::bench::contender::Counted;
use crate::bench::guard;
use crate::bench::ledger::Figure;

pub(super) fn measure(bench: &mut Bench<'_>) -> Result<()> {
    for counted in [Counted::Agent, Counted::Node, Counted::Function] {
        let instructions = guard::instructions(bench.stage, counted)?;
        bench.note("one connection", &counted.to_string(), &[(Figure::InstructionsPerCall, instructions)]);
    }
    for _ in 0..bench.options.rounds {
        agent_alone(bench)?;
    }
    Ok(())
}

fn agent_alone(bench: &mut Bench<'_>) -> Result<()> {
    let mut command = bench.stage.command(bench.stage.built("agent-calls"));
    command.arg(bench.stage.built("echo")).args(["--calls", "100000"]).stdin(Stdio::null());
    let out = command.output().context("cannot start agent-calls")?;
    let found: Value = serde_json::from_slice(&out.stdout)
        .with_context(|| format!("agent-calls found nothing: {}", String::from_utf8_lossy(&out.stderr)))?;
    let number = |key: &str| found[key].as_f64().with_context(|| format!("agent-calls does not tell {key}"));
    let figures = [
        (Figure::Rate, number("calls_per_s")?),
        (Figure::FrontUserUs, number("user_us")?),
        (Figure::FrontSystemUs, number("system_us")?),
        (Figure::AllocationsPerCall, number("allocations")?),
    ];
    bench.note("64 callers", "agent", &figures);
    Ok(())
}
