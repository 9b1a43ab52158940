//! Bodies from a handful of bytes to 100 MiB, sent and given back; and what they make a front hold.

use anyhow::Result;

use super::{Bench, args, closed, everybody};
use crate::bench::contender::Contender;
use crate::bench::ledger::Figure;
use crate::bench::load;
use crate::bench::options::size_title;
use crate::bench::process;

/// It answers when it has the whole body, because nginx cannot pass on both at once.
const FUNCTION: &str = "echo-whole";
/// From here on a body is large: nginx gets the place where it streams.
const LARGE_BYTES: u64 = 64 << 10;
/// Connections for bodies up to a megabyte, and beyond.
const CONNECTIONS: (u32, u32) = (8, 2);

pub(super) fn measure(bench: &mut Bench<'_>) -> Result<()> {
    let mut contenders = everybody(bench.stage, FUNCTION)?;
    for contender in &contenders {
        echo(bench, contender, 16)?;
    }
    for &bytes in &bench.options.bodies {
        bench.rounds(&mut contenders, |bench, contender| turn(bench, contender, bytes))?;
    }
    Ok(())
}

fn turn(bench: &mut Bench<'_>, contender: &Contender, bytes: u64) -> Result<()> {
    let front = contender.front.id();
    let before = process::rss_bytes(front)?;
    process::forget_peak(front)?;
    let seen = echo(bench, contender, bytes)?;
    let growth = process::peak_bytes(front)? - before;
    let throughput = seen.per_second() * bytes as f64;
    let figures = [(Figure::Throughput, throughput), (Figure::GrowthBytes, growth.max(0.0))];
    bench.note(&size_title(bytes), contender.name, &[&closed(seen)[..], &figures[..]].concat());
    Ok(())
}

fn echo(bench: &Bench<'_>, contender: &Contender, bytes: u64) -> Result<load::Seen> {
    let connections = if bytes <= 1 << 20 { CONNECTIONS.0 } else { CONNECTIONS.1 };
    let large = contender.path_large.filter(|_| bytes >= LARGE_BYTES);
    let args = args(&[
        ("connections", connections.to_string()),
        ("bytes", bytes.to_string()),
        ("seconds", bench.options.seconds.to_string()),
    ]);
    let load = load::command(bench.stage, contender, large.unwrap_or(&contender.path), &args);
    load::run(load, contender)
}
