//! `hotfn man`: the manual, a page a subcommand.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;

use super::Cli;

#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  hotfn man /usr/local/share/man/man1 && man hotfn-serve")]
pub(super) struct Args {
    /// The folder to write the pages into; made if it is not there
    dir: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let written = || {
        std::fs::create_dir_all(&args.dir)?;
        clap_mangen::generate_to(Cli::command(), &args.dir)
    };
    written().with_context(|| format!("cannot write the manual into {}", args.dir.display()))?;
    Ok(ExitCode::SUCCESS)
}
