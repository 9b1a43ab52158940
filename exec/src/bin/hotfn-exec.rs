//! `hotfn-exec`: runs a program of another container as if it were here. The same as `hotfn exec`,
//! alone and small, for images that have nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().peekable();
    let name = args.next().unwrap_or_else(|| "hotfn-exec".into());
    // As `hotfn exec`, so that either can stand for the other.
    if !hotfn_exec::client::is_shim(&name) {
        args.next_if(|word| word == "exec");
    }
    hotfn_exec::client::main(&name, args)
}
