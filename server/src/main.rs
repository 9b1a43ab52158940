//! `hotfn`: keeps function containers hot and talks to them fast.

use std::process::ExitCode;

use clap::Parser as _;

use hotfn_server::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
