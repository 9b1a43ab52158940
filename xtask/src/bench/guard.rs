//! `cargo xtask bench guard`: instructions a call, counted, and held to a budget.
//!
//! Times move by a third from one hour to the next; instructions hardly move at all. So they are
//! what a check can hold to: callgrind counts those of a process in user space, over a fixed number
//! of calls and over twice as many, and the difference divided by the calls is one call, start-up and
//! end left out. One connection, so that every call takes the same way; one call after the other, so
//! that what many calls at once would share is not in it.
//!
//! Two processes are counted, each with everything else at its own speed: the node, from its client's
//! bytes to the function and back; and the function, behind the floor's front. Programs are those of
//! everyday release builds, since a fully linked one takes minutes to build: a little more than what
//! ships, in proportion.

use std::fs;

use anyhow::{Context, Result, bail};

use super::contender::{Contender, Counted};
use super::load;
use super::part::Cores;
use super::stage::Stage;
use super::{hot, table};
use crate::install::{self, VALGRIND};
use crate::step::step;

/// What a call may take: instructions in user space.
///
/// The figures are what was counted when they were set. A change that needs more, and is worth it,
/// sets them anew and says why in its message; one that needs less should too, or it is spent
/// unseen.
const BUDGETS: [(Counted, u32); 2] = [(Counted::Node, 30_000), (Counted::Function, 12_000)];
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
    let stage = Stage::new(Cores::All, PROFILE)?;
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
    let [once, twice] = [CALLS, 2 * CALLS].map(|calls| total(stage, counted, calls));
    Ok((twice? - once?) / f64::from(CALLS))
}

/// All instructions of a process that is started, called so often, and ended.
fn total(stage: &Stage, counted: Counted, calls: u32) -> Result<f64> {
    let mut contender = Contender::counted(stage, counted)?;
    let args = ["--calls".to_owned(), calls.to_string(), "--seconds".to_owned(), "300".to_owned()];
    load::ours(stage, &contender, &args)?;
    let log = contender.end_counted(stage, counted);
    let text = fs::read_to_string(&log).with_context(|| format!("cannot read {}", log.display()))?;
    collected(&text).with_context(|| format!("valgrind counted nothing: {text}"))
}

/// What callgrind's last words tell.
fn collected(log: &str) -> Option<f64> {
    log.lines().rev().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_in_the_last_words() {
        let log = "==7== Events    : Ir\n==7== Collected : 123456\n==7== \n==7== I   refs:      123,456\n";
        assert_eq!(collected(log), Some(123_456.0));
        assert_eq!(collected("==7== killed\n"), None);
    }
}
