//! How each part is measured.

mod bodies;
mod cold;
mod cost;
mod fleet;
mod formats;
mod latency;
mod memory;
mod open;
mod unkind;

use anyhow::Result;

use super::contender::{self, Contender};
use super::ledger::{Figure, Key, Ledger};
use super::load::Seen;
use super::options::Options;
use super::part::Part;
use super::stage::Stage;

/// What a part measures with, and where it puts what it saw.
pub(crate) struct Bench<'b> {
    pub(crate) options: &'b Options,
    pub(crate) stage: &'b Stage,
    pub(crate) ledger: &'b mut Ledger,
    part: Part,
}

/// Measures `part` on the stage's cores.
pub(crate) fn measure(part: Part, options: &Options, stage: &Stage, ledger: &mut Ledger) -> Result<()> {
    let mut bench = Bench { options, stage, ledger, part };
    match part {
        Part::Latency => latency::measure(&mut bench),
        Part::Bodies => bodies::measure(&mut bench),
        Part::Formats => formats::measure(&mut bench),
        Part::Fleet => fleet::measure(&mut bench),
        Part::Cost => cost::measure(&mut bench),
        Part::Memory => memory::measure(&mut bench),
        Part::Cold => cold::measure(&mut bench),
        Part::Open => open::measure(&mut bench),
        Part::Unkind => unkind::measure(&mut bench),
    }
}

impl Bench<'_> {
    /// Notes figures of one turn, and tells them.
    fn note(&mut self, case: &str, contender: &str, figures: &[(Figure, f64)]) {
        let told = figures.iter().map(|&(figure, value)| format!("{} {}", figure.show(value), figure.title()));
        eprintln!("    {case}, {contender}: {}", told.collect::<Vec<_>>().join(", "));
        for &(figure, value) in figures {
            let (case, contender) = (case.to_owned(), contender.to_owned());
            let key = Key { part: self.part, cores: self.stage.cores, case, contender, figure };
            self.ledger.add(key, value);
        }
    }

    /// Has each of `contenders` its turn in every round, another one first each time.
    fn rounds<C>(&mut self, contenders: &mut [C], mut turn: impl FnMut(&mut Self, &mut C) -> Result<()>) -> Result<()> {
        for _ in 0..self.options.rounds {
            for contender in contenders.iter_mut() {
                turn(self, contender)?;
            }
            contenders.rotate_left(1);
        }
        Ok(())
    }
}

/// The figures of a closed load.
fn closed(seen: Seen) -> [(Figure, f64); 3] {
    [(Figure::Rate, seen.per_second()), (Figure::P50, seen.p50_us), (Figure::P99, seen.p99_us)]
}

/// Options of our own load.
fn args(args: &[(&str, String)]) -> Vec<String> {
    args.iter().flat_map(|(name, value)| [format!("--{name}"), value.clone()]).collect()
}

/// All who answer the same call, with this function behind them.
fn everybody(stage: &Stage, function: &str) -> Result<Vec<Contender>> {
    Ok(vec![
        Contender::hotfn(stage, function)?,
        contender::nginx(stage, function)?,
        Contender::floor(stage)?,
        Contender::direct(stage, function)?,
    ])
}
