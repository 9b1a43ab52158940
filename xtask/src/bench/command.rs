//! `cargo xtask bench command`: host commands, beside what they could cost at best and elsewhere.
//!
//! The same command, `true` in a shell, is run by a plain loop, by hotfn and by webhook, which Debian
//! has, in turns. Then hotfn runs it a hundred thousand times, and its memory is looked at before and
//! after.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::part::Cores;
use super::process::{self, Process};
use super::stage::Stage;
use super::table::Table;
use crate::install::{self, WEBHOOK};
use crate::step::{self, step};
use crate::tree;

/// How programs are built for it.
const PROFILE: &str = "release";
/// How often each is measured, in turns; the median counts.
const ROUNDS: usize = 5;
/// Commands of one measurement.
const COMMANDS: u32 = 2_000;
/// Commands after which memory is looked at again. Before, so many that all is warm.
const MANY: u32 = 100_000;
const WARM: u32 = 10_000;
/// Signatures checked at a time.
const CHECKS: u32 = 1_000_000;
/// Connections of those who are measured with several.
const CONNECTIONS: u32 = 8;
const KEY: &str = "0123456789abcdef";

/// What is promised: the rate beside the loop's, the time of a signature, the growth.
const RATE_MIN: f64 = 0.7;
const CHECK_US_MAX: f64 = 20.0;
const GROWTH_BYTES_MAX: f64 = 8e6;

/// Measures, tells, and fails if a promise is not kept.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    if let [word, ..] = words {
        bail!("unknown option {word:?}; `cargo xtask bench command` takes none");
    }
    step("install what the benchmark needs from Debian", || install::debian(&[WEBHOOK]))?;
    step("build", build)?;
    let stage = Stage::new(Cores::All, PROFILE)?;
    let (node, url) = hotfn(&stage)?;
    let (_webhook, webhook_url) = webhook(&stage)?;

    let signed = |connections: u32, times: u32| load(&stage, &["signed", &url, KEY], &[connections, times]);
    let contenders: [(&str, &dyn Fn() -> Result<f64>); 4] = [
        ("a loop", &|| load(&stage, &["spawn"], &[COMMANDS])),
        ("hotfn, 1 connection", &|| signed(1, COMMANDS)),
        ("hotfn, 8 connections", &|| signed(CONNECTIONS, COMMANDS)),
        ("webhook, 8 connections", &|| load(&stage, &["plain", &webhook_url], &[CONNECTIONS, COMMANDS])),
    ];
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); contenders.len()];
    step(&format!("measure, {ROUNDS} rounds"), || {
        for _ in 0..ROUNDS {
            for (rates, (_, measure)) in rates.iter_mut().zip(&contenders) {
                rates.push(f64::from(COMMANDS) / measure()?);
            }
        }
        Ok(())
    })?;
    let medians: Vec<f64> = rates.into_iter().map(median).collect();
    let check_us = load(&stage, &["check"], &[CHECKS])? * 1e6 / f64::from(CHECKS);
    let growth = step(&format!("run {MANY} commands"), || {
        signed(CONNECTIONS, WARM)?;
        let before = process::rss_bytes(node.id())?;
        signed(CONNECTIONS, MANY)?;
        Ok(process::rss_bytes(node.id())? - before)
    })?;

    let row = |((name, _), rate): (&(&str, _), &f64)| {
        vec![(*name).to_owned(), format!("{rate:.0}"), format!("{:.2}", rate / medians[0])]
    };
    let rows = contenders.iter().zip(&medians).map(row).collect();
    print!("\n{}", Table::new("Commands a second", &["who", "rate", "of the loop's"], rows, 1));
    println!("\na signature takes {check_us:.2} µs; memory grew by {:.1} MB in {MANY} commands", growth / 1e6);
    let best = medians[1].max(medians[2]) / medians[0];
    ensure!(best >= RATE_MIN, "commands run at {best:.2} of the loop's rate, {RATE_MIN} are promised");
    ensure!(check_us <= CHECK_US_MAX, "a signature takes {check_us:.1} µs, {CHECK_US_MAX} are promised");
    ensure!(growth <= GROWTH_BYTES_MAX, "memory grew by {growth:.0} bytes, {GROWTH_BYTES_MAX:.0} are promised");
    Ok(())
}

fn build() -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--profile", PROFILE, "--package", "hotfn-server", "--package", "hotfn-benches"]);
    step::run(cargo.current_dir(tree::root()))
}

/// Starts hotfn, with room for as many nonces as will be used.
fn hotfn(stage: &Stage) -> Result<(Process, String)> {
    let (port, config) = (free_port()?, stage.folder.join("hotfn.toml"));
    let text = format!(
        "[command]\nbind = \"127.0.0.1:{port}\"\nsecret_key = \"{KEY}\"\nmax_nonces = 10000000\nmax_per_peer = 32\n"
    );
    fs::write(&config, text)?;
    let mut command = stage.command(stage.built("hotfn"));
    command.args(["--log-level", "warn", "command-server", "--config"]).arg(&config);
    started(&mut command, &stage.folder, port).map(|process| (process, format!("http://127.0.0.1:{port}/shell")))
}

/// Starts webhook with the same command, whose end it waits for as well.
fn webhook(stage: &Stage) -> Result<(Process, String)> {
    let (port, hooks) = (free_port()?, stage.folder.join("hooks.json"));
    let text = r#"[{"id": "true", "execute-command": "/bin/sh", "include-command-output-in-response": true,
        "pass-arguments-to-command": [{"source": "string", "name": "-c"}, {"source": "string", "name": "true"}]}]"#;
    fs::write(&hooks, text)?;
    let mut command = stage.command("webhook");
    command.arg("-hooks").arg(&hooks).args(["-ip", "127.0.0.1", "-port", &port.to_string()]);
    started(&mut command, &stage.folder, port).map(|process| (process, format!("http://127.0.0.1:{port}/hooks/true")))
}

fn started(command: &mut Command, folder: &Path, port: u16) -> Result<Process> {
    let log: PathBuf = folder.join(format!("{port}.log"));
    let process = Process::spawn(command, &log)?;
    process::wait_until("a server to listen", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())?;
    Ok(process)
}

/// A port that nobody has. Somebody could take it in between; then the run fails and says so.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Has the load do its work, and gives the seconds it took.
fn load(stage: &Stage, words: &[&str], numbers: &[u32]) -> Result<f64> {
    let mut command = stage.command(stage.built("commands"));
    let output = command.args(words).args(numbers.iter().map(u32::to_string)).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{words:?} failed: {said}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.trim().parse().with_context(|| format!("{text:?} is no number of seconds"))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
