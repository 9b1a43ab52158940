//! `hotfn`: keeps function containers hot and talks to them fast.

use std::process::ExitCode;

use hotfn_exec::client;

use hotfn_server::cli::Cli;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    if let Some(name) = args.next()
        && client::is_shim(&name)
    {
        return client::main(&name, args);
    }
    Cli::read().run()
}
