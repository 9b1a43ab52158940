//! What the project does to itself: tests with everything they need, and benchmarks.
//!
//! `cargo xtask` is an alias of `cargo run -p xtask`. A fresh machine with Rust needs nothing else:
//! what a task needs it installs first, into the project's `target` wherever that is possible, and
//! says so. Nothing is installed twice, and nothing is installed that the task asked for can do
//! without.

use std::process::ExitCode;

mod bench;
mod install;
mod step;
mod test;
mod tree;

const HELP: &str = "\
What the project does to itself.

Usage: cargo xtask TASK

Tasks:
  test [ARG…]    install what the tests need, then run every one with nothing skipped;
                 ARGs go to `cargo nextest run`
  bench hot      hotfn, nginx and the bare function under the same load, side by side
      --pinned       all of it on one core: the measure of record
      --rounds N     how often each is measured, interleaved (default 5; the median counts)
      --seconds N    how long each measurement runs (default 3)
  help           this text

Examples:
  cargo xtask test
  cargo xtask test hot                      only the tests whose name has `hot`
  cargo xtask bench hot --pinned
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test", rest @ ..] => test::run_all(rest),
        ["bench", "hot", rest @ ..] => bench::hot::Options::parse(rest).and_then(|options| bench::hot::run(&options)),
        ["bench", ..] => Err(anyhow::anyhow!("there is one benchmark; try `cargo xtask bench hot`")),
        [] | ["help" | "-h" | "--help", ..] => {
            print!("{HELP}");
            Ok(())
        }
        [task, ..] => Err(anyhow::anyhow!("unknown task {task:?}; `cargo xtask help` lists them")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e:#}");
            ExitCode::FAILURE
        }
    }
}
