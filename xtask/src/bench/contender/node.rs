//! hotfn, with the functions that a part wants.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Contender, free_address};
use crate::bench::stage::Stage;

/// A function in a node's config.
#[derive(Clone, Debug)]
pub(crate) struct Deployed {
    pub(crate) id: String,
    pub(crate) program: PathBuf,
    pub(crate) format: &'static str,
    pub(crate) concurrency: u32,
    pub(crate) min_warm: u32,
}

impl Deployed {
    /// One of our programs as a function of the same id, by `http-stream`, one call at a time.
    pub(crate) fn new(stage: &Stage, program: &str) -> Self {
        Self {
            id: program.to_owned(),
            program: stage.built(program),
            format: "http-stream",
            concurrency: 1,
            min_warm: 0,
        }
    }
}

/// Starts a node; the load goes to the first of `functions`.
pub(crate) fn node(stage: &Stage, name: &'static str, functions: &[Deployed]) -> Result<Contender> {
    node_beside(stage, name, functions, "")
}

/// The same with more in its config file.
pub(crate) fn node_beside(stage: &Stage, name: &'static str, functions: &[Deployed], more: &str) -> Result<Contender> {
    start(stage, stage.command(stage.built("hotfn")), name, &(config(functions) + more), functions)
}

/// A node whose program is started by `node`: nothing, or what watches it.
pub(super) fn node_by(stage: &Stage, node: Command, name: &'static str, functions: &[Deployed]) -> Result<Contender> {
    start(stage, node, name, &config(functions), functions)
}

fn start(
    stage: &Stage,
    mut node: Command,
    name: &'static str,
    config: &str,
    functions: &[Deployed],
) -> Result<Contender> {
    let address = free_address()?;
    let path = stage.folder.join(format!("{name}.toml"));
    fs::write(&path, config).with_context(|| format!("cannot write {}", path.display()))?;
    node.args(["serve", "--db", "memory", "--config"]).arg(&path).arg("--listen").arg(address.to_string());
    Contender::start(stage, name, node, address, &format!("/invoke/{}", functions[0].id), None)
}

/// Every container counts for 1 MB, so that nobody waits for memory that is not used; and none is
/// frozen, since what stopping and going on costs is the driver's and not the call's.
fn config(functions: &[Deployed]) -> String {
    let mut text = String::from("[node]\nmemory = 8192\nfreeze_idle_ms = -1\n");
    for f in functions {
        write!(
            text,
            "\n[[function]]\nid = \"{}\"\nname = \"{}\"\nimage = \"process:{}\"\nformat = \"{}\"\nmemory = 1\n\
             concurrency = {}\nmin_warm = {}\nidle_timeout = 3600\n",
            f.id,
            f.id,
            f.program.display(),
            f.format,
            f.concurrency,
            f.min_warm,
        )
        .expect("a string takes all");
    }
    text
}
