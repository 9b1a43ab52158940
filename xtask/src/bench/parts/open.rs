//! Open load at shares of what each front can do, timed from when a call was due.
//!
//! The same share of its own capacity is asked of each, so that a faster front is not judged by the
//! slower one's leisure; the rate beside the times says how many calls that were. Capacity is what
//! closed load gets. Where calls do not come in bunches each costs a little more, so 95 % of it may
//! already be more than can be done, above all where the load takes its share of the same core.

use anyhow::Result;

use super::{Bench, args};
use crate::bench::contender::{self, Contender};
use crate::bench::ledger::Figure;
use crate::bench::load;

/// Connections that calls may take.
const CONNECTIONS: u32 = 64;
/// Percent of capacity.
const SHARES: [u32; 3] = [50, 80, 95];

pub(super) fn measure(bench: &mut Bench<'_>) -> Result<()> {
    let mut contenders = vec![Contender::hotfn(bench.stage, "echo")?, contender::nginx(bench.stage, "echo")?];
    for contender in &contenders {
        capacity(bench, contender)?;
    }
    for share in SHARES {
        bench.rounds(&mut contenders, |bench, contender| {
            // Taken anew each time: the machine is another one than a minute ago.
            let rate = capacity(bench, contender)? * f64::from(share) / 100.0;
            let seen = load::ours(bench.stage, contender, &at_rate(bench, rate))?;
            let figures = [
                (Figure::Rate, seen.per_second()),
                (Figure::P50, seen.p50_us),
                (Figure::P99, seen.p99_us),
                (Figure::P999, seen.p999_us),
            ];
            bench.note(&format!("{share} % of capacity"), contender.name, &figures);
            Ok(())
        })?;
    }
    Ok(())
}

/// Calls a second that `contender` can do, by closed load of the same kind.
pub(super) fn capacity(bench: &Bench<'_>, contender: &Contender) -> Result<f64> {
    let args = args(&[("connections", CONNECTIONS.to_string()), ("seconds", "0.5".into())]);
    Ok(load::ours(bench.stage, contender, &args)?.per_second())
}

/// What to ask of our load for calls at `rate` a second, as long as a turn is.
pub(super) fn at_rate(bench: &Bench<'_>, rate: f64) -> Vec<String> {
    args(&[
        ("connections", CONNECTIONS.to_string()),
        ("seconds", bench.options.seconds.to_string()),
        ("rate", rate.to_string()),
    ])
}
