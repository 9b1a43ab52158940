//! `hotfn exec`: a program of another container, as if it were here.
//!
//! The words are read by the client itself, which also comes as a program of its own: see
//! [`hotfn_exec::client`].

use std::ffi::OsString;
use std::process::ExitCode;

use hotfn_exec::client;

#[derive(clap::Args, Debug)]
#[command(disable_help_flag = true)]
pub(super) struct Args {
    /// What `hotfn exec --help` says
    #[arg(value_name = "ARG", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// Blocks, with a thread of its own to listen to signals: there must be no runtime yet.
pub(super) fn run(args: Args) -> ExitCode {
    client::main(&OsString::from("hotfn"), args.words.into_iter())
}
