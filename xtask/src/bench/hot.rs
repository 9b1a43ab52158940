//! `cargo xtask bench hot`: what a call to a hot function costs, beside what it costs elsewhere.
//!
//! Three contenders answer the same 16 bytes under the same load, in turns: hotfn; nginx, which
//! hands each request to the same function's unix socket; and the function's answer without any
//! front. Turns are interleaved and begin with another contender each round, so that whatever the
//! machine does meanwhile hits all of them; the median round counts.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::contender::Contender;
use super::load::{self, Seen};
use super::report;
use crate::install::{self, NGINX, WRK};
use crate::step::{self, step};
use crate::tree;

/// Connections that the load opens, one column of the report each.
const CONNECTIONS: [u32; 3] = [1, 8, 64];

/// How to measure.
#[derive(Debug)]
pub(crate) struct Options {
    pinned: bool,
    rounds: u32,
    seconds: u32,
}

/// What one contender showed in one turn.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) contender: &'static str,
    pub(crate) connections: u32,
    pub(crate) seen: Seen,
    pub(crate) rss_bytes: u64,
}

impl Options {
    /// Reads the words after `bench hot`.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Self { pinned: false, rounds: 5, seconds: 3 };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut number = || -> Result<u32> {
                let value = words.next().with_context(|| format!("{word} wants a number"))?;
                match value.parse() {
                    Ok(n) if n > 0 => Ok(n),
                    _ => bail!("{word} wants a number above 0, not {value:?}"),
                }
            };
            match *word {
                "--pinned" => options.pinned = true,
                "--rounds" => options.rounds = number()?,
                "--seconds" => options.seconds = number()?,
                _ => bail!("unknown option {word:?}; `cargo xtask help` lists them"),
            }
        }
        Ok(options)
    }
}

/// How the contenders of ours are built: as what a release ships.
pub(crate) const PROFILE: &str = "dist";

/// Measures, prints the table and the ratios, and writes both to `target/bench/hot.json`.
pub(crate) fn run(options: &Options) -> Result<()> {
    step("install what the benchmark needs from Debian", || install::debian(&[NGINX, WRK]))?;
    step("build", || {
        step::run(
            Command::new("cargo")
                .args(["build", "--profile", PROFILE, "--package", "hotfn-server", "--package", "echo"])
                .args(["--package", "hotfn-benches"])
                .current_dir(tree::root()),
        )
    })?;
    let turns = step("measure", || measure(options))?;
    let folder = tree::target().join("bench");
    fs::create_dir_all(&folder)?;
    let path = folder.join("hot.json");
    let report = report::Report::of(&turns, &CONNECTIONS, options.pinned, options.rounds, options.seconds)?;
    fs::write(&path, report.to_json()).with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("written to {}", path.display());
    print!("{report}");
    Ok(())
}

/// `command`, kept to the first core if so wished.
pub(crate) fn on_core(command: Command, pinned: bool) -> Command {
    if !pinned {
        return command;
    }
    let mut taskset = Command::new("taskset");
    taskset.args(["--cpu-list", "0"]).arg(command.get_program());
    taskset
}

fn measure(options: &Options) -> Result<Vec<Turn>> {
    // Not below `target`: the path of a unix socket has room for 107 bytes only.
    let folder = std::env::temp_dir().join(format!("bench-hot-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let turns = turns(options, &folder)?;
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    Ok(turns)
}

fn turns(options: &Options, folder: &std::path::Path) -> Result<Vec<Turn>> {
    let pinned = options.pinned;
    let mut contenders =
        [Contender::hotfn(folder, pinned)?, Contender::nginx(folder, pinned)?, Contender::direct(folder, pinned)?];
    for contender in &contenders {
        load::put_on(&contender.url, 64, 1, folder, pinned).context("while warming up")?;
    }
    let mut turns = Vec::new();
    for round in 1..=options.rounds {
        for connections in CONNECTIONS {
            for contender in &contenders {
                let seen = load::put_on(&contender.url, connections, options.seconds, folder, pinned)?;
                let rss_bytes = contender.rss_bytes()?;
                eprintln!(
                    "    round {round}, {connections:>2} connections, {:<6} {:>8.0} req/s",
                    contender.name, seen.requests_per_second
                );
                turns.push(Turn { contender: contender.name, connections, seen, rss_bytes });
            }
        }
        contenders.rotate_left(1);
    }
    Ok(turns)
}
