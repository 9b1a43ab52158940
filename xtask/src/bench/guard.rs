//! `cargo xtask bench guard`: instructions a call, counted, and held to a budget.
//!
//! Times move by a third from one hour to the next; instructions hardly move at all. So they are
//! what a check can hold to: callgrind counts those of a process in user space, over a fixed number
//! of calls and over twice as many, and the difference divided by the calls is one call, start-up and
//! end left out. One connection, so that every call takes the same way; one call after the other, so
//! that what many calls at once would share is not in it.
//!
//! Programs are those of everyday release builds, since a fully linked one takes minutes to build: a
//! little more than what ships, in proportion.

use anyhow::{Result, bail};

use super::contender::Counted;
use super::part::Cores;
use super::stage::Stage;
use super::{hot, table};
use crate::install::{self, VALGRIND};
use crate::step::step;

/// What a call may take: instructions in user space.
///
/// The figures are what was counted when they were set. A change that needs more, and is worth it,
/// sets them anew and says why in its message; one that needs less should too, or what it saved is
/// spent unseen.
const BUDGETS: [(Counted, u32); 3] = [(Counted::Agent, 16_430), (Counted::Function, 11_680), (Counted::Node, 31_200)];
/// How far beyond it a count may be: other compilers and processors move it a little.
const SLACK: f64 = 0.05;
/// Calls of the shorter run. The longer has twice as many.
const CALLS: u32 = 2_000;
/// How programs are built for it.
const PROFILE: &str = "release";

/// Counts, tells, and fails if there were too many.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    if let [word, ..] = words {
        bail!("unknown option {word:?}; `cargo xtask bench guard` takes none");
    }
    step("install what the guard needs from Debian", || install::debian(&[VALGRIND]))?;
    step("build", || hot::build(PROFILE))?;
    // On one core a node has one thread, wherever this runs.
    let stage = Stage::new(Cores::One, PROFILE)?;
    let mut rows = Vec::new();
    let mut over = Vec::new();
    for (counted, budget) in BUDGETS {
        let found = step(&format!("count the {counted}'s instructions"), || instructions(&stage, counted))?;
        let share = found / f64::from(budget);
        rows.push(vec![counted.to_string(), format!("{found:.0}"), budget.to_string(), format!("{share:.2}")]);
        if share > 1.0 + SLACK {
            over.push(format!("the {counted} took {found:.0} instructions a call, its budget is {budget}"));
        }
    }
    print!("{}", table::Table::new("Instructions a call", &["process", "counted", "budget", "share"], rows, 1));
    if !over.is_empty() {
        bail!("{}; if that is worth it, set BUDGETS in xtask/src/bench/guard.rs anew and say why", over.join("; "));
    }
    Ok(())
}

/// Instructions a call of one process.
pub(crate) fn instructions(stage: &Stage, counted: Counted) -> Result<f64> {
    let [once, twice] = [CALLS, 2 * CALLS].map(|calls| counted.total(stage, calls));
    Ok((twice? - once?) / f64::from(CALLS))
}
