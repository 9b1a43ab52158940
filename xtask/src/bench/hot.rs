//! `cargo xtask bench hot`: builds, measures part by part, and tells.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::ledger::Ledger;
use super::options::Options;
use super::part::Part;
use super::stage::Stage;
use super::{docs, parts, table, target};
use crate::install::{self, NGINX, VALGRIND, WRK};
use crate::step::{self, step};
use crate::tree;

/// The packages whose programs are measured, or measure.
const PACKAGES: [&str; 4] = ["hotfn-server", "echo", "faulty", "hotfn-benches"];

/// Does what `words` ask for: measures, prints tables and targets, and keeps the figures.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let options = Options::parse(words)?;
    step("install what the benchmark needs from Debian", || install::debian(&[NGINX, VALGRIND, WRK]))?;
    step("build", || build(&options.profile))?;
    let path = results()?;
    let mut all = Ledger::read(&path)?.unwrap_or_default();
    let mut seen = Ledger::default();
    for &cores in &options.cores {
        let stage = Stage::new(cores, &options.profile)?;
        for part in Part::ALL.into_iter().filter(|&part| options.wants(part, cores)) {
            let mut figures = Ledger::new(machine(), options.method());
            let headline = format!("measure {part}, {}", cores.title());
            step(&headline, || parts::measure(part, &options, &stage, &mut figures))?;
            print!("\n{}", table::of(&figures, part, cores));
            // Kept at once: what a later part fails by is not this one's loss.
            all.renew(figures.clone());
            all.write(&path)?;
            seen.renew(figures);
        }
    }
    print!("\n{}", target::verdicts(&seen));
    eprintln!("written to {}", path.display());
    if options.write_docs {
        docs::write(&all)?;
    }
    Ok(())
}

/// Builds the programs as `profile` says.
pub(crate) fn build(profile: &str) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--profile", profile]).current_dir(tree::root());
    for package in PACKAGES {
        cargo.args(["--package", package]);
    }
    step::run(&mut cargo)
}

/// The file that keeps the figures, of this run and of parts that other runs have measured.
fn results() -> Result<PathBuf> {
    let folder = tree::target().join("bench");
    fs::create_dir_all(&folder)?;
    Ok(folder.join("hot.json"))
}

/// What a reader has to know of the machine.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    format!("{cores} × {model}, Linux {}", read("/proc/sys/kernel/osrelease").trim())
}
