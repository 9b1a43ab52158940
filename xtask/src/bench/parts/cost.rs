//! What a call takes, without asking a clock that the machine shares: instructions of the node and of
//! the function; and the agent alone, without any front, with its allocations.

use anyhow::Result;

use super::Bench;
use crate::bench::contender::Counted;
use crate::bench::guard;
use crate::bench::ledger::Figure;

pub(super) fn measure(bench: &mut Bench<'_>) -> Result<()> {
    for counted in [Counted::Node, Counted::Function] {
        let instructions = guard::instructions(bench.stage, counted)?;
        bench.note(
            "instructions, one connection",
            &counted.to_string(),
            &[(Figure::InstructionsPerCall, instructions)],
        );
    }
    Ok(())
}
