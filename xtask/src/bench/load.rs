//! The load: `wrk` where it can make it, and `load` of `benches` where it cannot.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::contender::Contender;
use super::stage::Stage;
use crate::step::works;

/// What one run of the load saw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) calls: f64,
    pub(crate) seconds: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// `wrk` is not asked for it.
    pub(crate) p999_us: f64,
}

/// What `wrk` runs: it posts, and at the end prints its findings as one line of JSON.
const SCRIPT: &str = r#"wrk.method = "POST"
wrk.body = "0123456789abcdef"
wrk.headers["Content-Type"] = "text/plain"

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\n{"calls":%d,"seconds":%f,"failed":%d,"p50_us":%d,"p99_us":%d,"p999_us":%d}\n',
    summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
"#;

/// Puts `wrk` on `contender`: one thread, 16 bytes posted over and over on kept-open connections.
pub(crate) fn wrk(stage: &Stage, contender: &Contender, connections: u32, seconds: u32) -> Result<Seen> {
    post(stage, contender.name, &contender.url(), &[], connections, seconds)
}

/// The same on any `url` of `name`'s, with more headers.
pub(crate) fn post(
    stage: &Stage,
    name: &str,
    url: &str,
    headers: &[(&str, &str)],
    connections: u32,
    seconds: u32,
) -> Result<Seen> {
    let script = stage.folder.join("post.lua");
    fs::write(&script, SCRIPT).with_context(|| format!("cannot write {}", script.display()))?;
    let mut wrk = stage.command("wrk");
    for (name, value) in headers {
        wrk.args(["--header", &format!("{name}: {value}")]);
    }
    wrk.args(["--threads", "1", "--connections", &connections.to_string()])
        .args(["--duration", &format!("{seconds}s"), "--timeout", "10s", "--script"])
        .arg(&script)
        .arg(url);
    found(wrk, name)
}

/// Puts our own load on `contender`, as `args` of `load` say.
pub(crate) fn ours(stage: &Stage, contender: &Contender, args: &[String]) -> Result<Seen> {
    run(command(stage, contender, &contender.path, args), contender)
}

/// The same, for a load of little that keeps a schedule: where that is allowed it comes before everybody
/// else on its core.
///
/// Such a load stands for callers on other machines. Were it one of many that wait for the same
/// core, its own lateness would be found in the times of who is measured: beside a process that
/// computes, that was nearly all there was. It is not for load near capacity: who comes first at each
/// call leaves nobody anything to do in bunches, and halves what can be done.
pub(crate) fn punctual(stage: &Stage, contender: &Contender, args: &[String]) -> Result<Seen> {
    let load = command(stage, contender, &contender.path, args);
    let mut punctual = Command::new("chrt");
    punctual.args(["--fifo", PRIORITY]);
    if !works(Command::new("chrt").args(["--fifo", PRIORITY, "true"])) {
        eprintln!("    the load may not come first here: its own lateness is in the times");
        return run(load, contender);
    }
    punctual.arg(load.get_program()).args(load.get_args());
    run(punctual, contender)
}

/// Any real-time priority is above all that is ordinary.
const PRIORITY: &str = "50";

/// The command of our own load, on a path of `contender`.
pub(crate) fn command(stage: &Stage, contender: &Contender, path: &str, args: &[String]) -> Command {
    let mut load = stage.command(stage.built("load"));
    load.arg(contender.address.to_string()).arg(path).args(args);
    load
}

/// Runs a load and reads its findings. A single failed call fails the run: a front that refuses quickly
/// would otherwise look fast.
pub(crate) fn run(load: Command, contender: &Contender) -> Result<Seen> {
    found(load, contender.name)
}

fn found(mut load: Command, name: &str) -> Result<Seen> {
    let out = load.stdin(Stdio::null()).output().with_context(|| format!("cannot start {load:?}"))?;
    let said = String::from_utf8_lossy(&out.stdout);
    let Some(line) = said.lines().find(|line| line.starts_with('{')) else {
        bail!("the load on {name} said nothing of its findings: {said}{}", String::from_utf8_lossy(&out.stderr));
    };
    let found: Value = serde_json::from_str(line).context("the load's findings are not JSON")?;
    let number = |key: &str| found[key].as_f64().with_context(|| format!("the load's findings lack {key}: {line}"));
    if number("failed")? > 0.0 {
        bail!("{} of {} calls to {name} failed: {line}", number("failed")?, number("calls")?);
    }
    Ok(Seen {
        calls: number("calls")?,
        seconds: number("seconds")?,
        p50_us: number("p50_us")?,
        p99_us: number("p99_us")?,
        p999_us: number("p999_us")?,
    })
}

impl Seen {
    pub(crate) fn per_second(&self) -> f64 {
        self.calls / self.seconds
    }
}
