//! `hotfn completions`: what a shell wants to know to complete a command line.

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, show};

#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  hotfn completions bash > /etc/bash_completion.d/hotfn")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "hotfn", &mut script);
    show::text(&String::from_utf8(script).expect("scripts are text"))
}
