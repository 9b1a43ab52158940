//! The load that `wrk` cannot make: bodies of any size, many paths, and a schedule that does not wait.
//!
//! ```text
//! load 127.0.0.1:8080 /invoke/echo --connections 8 --bytes 1048576 --seconds 2
//! load 127.0.0.1:8080 /invoke/echo --connections 64 --seconds 5 --rate 20000
//! load 127.0.0.1:8080 /invoke/f{} --spread 500 --calls 500
//! ```
//!
//! Without `--rate` the load is *closed*: each connection sends its next call when it has the answer.
//! That finds what can be done at most, and hides how long a caller would have waited: a front that
//! stalls for a second is sent nothing for that second, so one slow call stands for all that would
//! have come (coordinated omission). With `--rate` it is *open*: calls have a schedule, every call's
//! time counts from when it was due, and one for which no connection is free waits its turn with the
//! clock running. What was due and never answered counts as it stood at the end.
//!
//! One thread and one epoll, so that on a single core the load takes as little of it as it can. An
//! answer has to be 200 and have a `Content-Length`; others count as failed, and it is for the one
//! who started this to mind. The findings are one line of JSON on standard output.

mod closed;
mod connection;
mod findings;
mod open;
mod wire;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// Calls an HTTP server over kept-open connections, and says how that went in one line of JSON.
#[derive(Debug, Parser)]
struct Options {
    /// Where to connect to
    address: SocketAddr,
    /// What to post to; `{}` is replaced by a number, see `--spread`
    path: String,
    /// Connections, each with one call at a time
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// Size of each body
    #[arg(long, default_value_t = 16, conflicts_with = "body")]
    bytes: u64,
    /// The body itself
    #[arg(long)]
    body: Option<String>,
    /// How long calls begin
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// End after so many calls, if that is earlier
    #[arg(long)]
    calls: Option<u64>,
    /// Calls a second, sent when they are due and not when the one before is answered
    #[arg(long)]
    rate: Option<f64>,
    /// A rest before each call, in ms, with the clock standing: for one connection without a schedule
    #[arg(long, default_value_t = 0, conflicts_with_all = ["rate", "connections"])]
    rest_ms: u64,
    /// Paths to call in turn, `{}` being 0 and up
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    spread: u32,
    /// The first of these numbers
    #[arg(long, default_value_t = 0)]
    from: u32,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.rate {
        Some(rate) => open::run(&options, rate),
        None => closed::run(&options),
    };
    match done {
        Ok(findings) => {
            println!("{}", findings.to_json());
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("error: {e:#}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    /// How long calls begin.
    fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.001, 3600.0))
    }

    /// The requests, one for each path.
    fn requests(&self) -> Vec<wire::Request> {
        let paths = (self.from..self.from + self.spread).map(|n| self.path.replace("{}", &n.to_string()));
        paths.map(|path| wire::Request::new(self.address, &path, self.bytes, self.body.as_deref())).collect()
    }
}
