//! One step of a task: said before it starts, timed when it ends.

use std::env;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// Does `work` under a headline, and prints how long it took.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("==> {name}");
    let began = Instant::now();
    let done = work().with_context(|| name.to_owned());
    let verdict = if done.is_ok() { "done" } else { "failed" };
    eprintln!("<== {name}: {verdict} after {:.1} s", began.elapsed().as_secs_f64());
    done
}

/// What cargo tells a program that it runs of that program's package. Packages that look at the same when
/// they are built (ring does) would be built once as from a shell and once as from here, and with them
/// all that stands on them.
const OF_OURSELVES: [&str; 2] = ["CARGO_MANIFEST_", "CARGO_PKG_"];

/// Runs `command` in sight of the person, to success, as if they had typed it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| OF_OURSELVES.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

/// Does `command` start, and end well? What it prints is dropped.
pub(crate) fn works(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
