//! The load: `wrk`, one thread, a 16-byte body posted over and over on kept-open connections.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::hot::on_core;

/// What one run of the load saw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) requests_per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// What `wrk` runs: it posts, and at the end prints its findings as one line of JSON.
const SCRIPT: &str = r#"wrk.method = "POST"
wrk.body = "0123456789abcdef"
wrk.headers["Content-Type"] = "text/plain"

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%d,"duration_us":%d,"errors":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"#;

/// Puts the load on `url` for `seconds` over `connections`. Any failed request fails the run: a
/// front that refuses quickly would otherwise look fast.
pub(crate) fn put_on(url: &str, connections: u32, seconds: u32, folder: &Path, pinned: bool) -> Result<Seen> {
    let script = folder.join("post.lua");
    fs::write(&script, SCRIPT).with_context(|| format!("cannot write {}", script.display()))?;
    let mut wrk = on_core(Command::new("wrk"), pinned);
    wrk.args(["--threads", "1", "--connections", &connections.to_string()])
        .args(["--duration", &format!("{seconds}s"), "--timeout", "10s", "--script"])
        .arg(&script)
        .arg(url);
    let out = wrk.stdin(Stdio::null()).output().context("cannot start wrk")?;
    let said = String::from_utf8_lossy(&out.stdout);
    let line = said.lines().find_map(|line| line.strip_prefix("RESULT "));
    let Some(line) = line else {
        bail!("wrk said nothing of its findings on {url}: {said}{}", String::from_utf8_lossy(&out.stderr));
    };
    let found: Value = serde_json::from_str(line).context("wrk's findings are not JSON")?;
    let number = |name: &str| found[name].as_f64().with_context(|| format!("wrk's findings lack {name}: {line}"));
    if number("errors")? > 0.0 {
        bail!("{} of {} requests to {url} failed", number("errors")?, number("requests")?);
    }
    Ok(Seen {
        requests_per_second: number("requests")? / (number("duration_us")? / 1e6),
        p50_us: number("p50_us")?,
        p99_us: number("p99_us")?,
    })
}
