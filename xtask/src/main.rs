//! What the project does to itself: tests with everything they need, benchmarks, and packages.
//!
//! `cargo xtask` is an alias of `cargo run -p xtask`. A fresh machine with Rust needs nothing else:
//! what a task needs it installs first, into the project's `target` wherever that is possible, and
//! says so. Nothing is installed twice, and nothing is installed that the task asked for can do
//! without.

use std::process::ExitCode;

mod bench;
mod engine;
mod install;
mod package;
mod step;
mod test;
mod tree;

const HELP: &str = "\
What the project does to itself.

Usage: cargo xtask TASK

Tasks:
  test [ARG…]    install what the tests need, then run every one with nothing skipped;
                 ARGs go to `cargo nextest run`
  bench hot      hotfn, nginx, the floor and the function without us, side by side: minutes;
                 prints tables and targets, keeps all figures in target/bench/hot.json
      --quick            one round of each: three minutes
      --only PART,…      latency, bodies, formats, fleet, cost, memory, cold, open, unkind
      --pinned, --free   all on one core (the measure of record), or on all; both without these
      --rounds N         how often each is measured, interleaved (default 5; the median counts)
      --seconds N        how long each measurement runs (default 1)
      --connections N,…  of the part latency (default 1,8,64,512)
      --bodies SIZE,…    of the part bodies (default 16,4K,64K,1M,100M)
      --formats NAME,…   of the part formats (default: all five)
      --containers N,…   hot ones in the part fleet (default 1,100,500)
      --functions N      deployed ones in the part fleet (default 2000)
      --profile NAME     how programs are built (default dist, as what a release ships)
      --write-docs       puts tables and charts into docs/performance.md
  bench api      ten thousand functions in the store: lists, calls, a second node, detached calls;
                 --profile NAME (default dist)
  bench cold     first calls by each driver, beside the same containers started by hand; --profile NAME
  bench command  host commands over signed HTTP, a loop that starts shells, and webhook: a minute
  bench connect  lines through a connector, beside socat, and events that call a function, beside wrk;
                 --profile NAME (default dist)
  bench exec     programs run over a socket, beside s6-sudo and a local fork; --profile NAME (default dist)
  bench start    a node's start to its first answer; --profile NAME (default dist)
  bench guard    counts the instructions of a call; fails if there are more than budgeted
  package        a static program and a package of Debian, as a release ships them; --profile NAME (default dist)
  help           this text

Examples:
  cargo xtask test
  cargo xtask test hot                      only the tests whose name has `hot`
  cargo xtask bench hot --quick --only latency --pinned --profile release
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test", rest @ ..] => test::run_all(rest),
        ["bench", "api", rest @ ..] => bench::api(rest),
        ["bench", "cold", rest @ ..] => bench::cold(rest),
        ["bench", "command", rest @ ..] => bench::command(rest),
        ["bench", "connect", rest @ ..] => bench::connect(rest),
        ["bench", "guard", rest @ ..] => bench::guard(rest),
        ["bench", "exec", rest @ ..] => bench::exec(rest),
        ["bench", "hot", rest @ ..] => bench::hot(rest),
        ["bench", "start", rest @ ..] => bench::start(rest),
        ["bench", ..] => Err(anyhow::anyhow!(
            "which benchmark? try `cargo xtask bench hot`, `api`, `cold`, `command`, `connect`, `exec`, `guard` or `start`"
        )),
        ["package", rest @ ..] => package::run_all(rest),
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
