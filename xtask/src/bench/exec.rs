//! `cargo xtask bench exec`: what it costs to run a program over a socket, beside what it costs to run
//! it here.
//!
//! Three ways to `/bin/true`, in turns: over our socket, over that of `s6-sudod`, which is the nearest
//! relative, and forked by the one who wants it. Ours and s6's begin with a client's process, as a
//! person's would. Then a gibibyte through `cat`, over our socket and here: not a byte of it goes
//! through the server, whose time of the processor is told. Last, as many sessions at once as there
//! may be.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::part::Cores;
use super::stage::Stage;
use super::table::Table;
use crate::install::{self, S6};
use crate::step::{run, step};
use crate::tree;

/// Times that each runs `/bin/true`.
const RUNS: usize = 400;
/// How often the gibibyte passes, either way.
const PASSES: usize = 5;
const GIB: u64 = 1 << 30;
/// As many as a server has by default.
const SESSIONS: usize = 64;
/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the kernel counts processor time in.
const TICK_MS: u64 = 10;

/// Measures, tells, and fails if a target was missed.
pub(crate) fn run_all(words: &[&str]) -> Result<()> {
    let profile = match words {
        [] => "dist",
        ["--profile", profile] => profile,
        [word, ..] => bail!("unknown option {word:?}; `cargo xtask bench exec` takes --profile NAME"),
    };
    step("install what is measured beside us from Debian", || install::debian(&[S6]))?;
    step("build", || {
        let packages = ["--package", "hotfn-server", "--package", "hotfn-exec", "--bins"];
        run(Command::new("cargo").args(["build", "--profile", profile]).args(packages).current_dir(tree::root()))
    })?;
    let stage = Stage::new(Cores::All, profile)?;
    let (ours, theirs) = (stage.folder.join("exec.sock"), stage.folder.join("s6.sock"));
    let server = Server::start(stage.command(stage.built("hotfn")).arg("exec-server").arg(&ours), &ours)?;
    let mut s6 = stage.command("s6-ipcserver");
    let _s6 = Server::start(s6.arg(&theirs).args(["s6-sudod", "/bin/true"]), &theirs)?;
    let client = stage.built("hotfn-exec");

    let mut missed = Vec::new();
    let mut held = |holds: bool, what: String| {
        println!("{} {what}", if holds { "held:  " } else { "MISSED:" });
        if !holds {
            missed.push(what);
        }
    };
    let [here, over, s6] = step("/bin/true, three ways", || three_ways(&client, &ours, &theirs))?;
    held(over < here + 2.0, format!("within 2 ms of a local fork: {over:.2} ms and {here:.2} ms"));
    held(over < s6, format!("ahead of s6-sudo: {over:.2} ms and {s6:.2} ms"));
    let before = server.ticks()?;
    let [plain, passed] = step("a gibibyte through cat", || gibibyte(&client, &ours))?;
    let took = (server.ticks()? - before) * TICK_MS;
    held(passed >= 0.97 * plain, format!("as fast as a plain pipe: {passed:.2} GiB/s and {plain:.2} GiB/s"));
    held(took <= TICK_MS * PASSES as u64, format!("the server took {took} ms of the processor for {PASSES} of them"));
    let all = step("sessions at once", || at_once(&client, &ours))?;
    println!("{SESSIONS} sessions at once, from the first start to the last end: {:.0} ms", millis(all));
    if missed.is_empty() { Ok(()) } else { bail!("missed: {}", missed.join("; ")) }
}

/// How a command is started.
type Way<'a> = Box<dyn Fn() -> Command + 'a>;

/// Medians in ms: here, over our socket, over s6's.
fn three_ways(client: &Path, ours: &Path, theirs: &Path) -> Result<[f64; 3]> {
    let ways: [(&str, Way<'_>); 3] = [
        ("here", Box::new(|| Command::new("/bin/true"))),
        ("hotfn", Box::new(|| with(client, &["--connect", &ours.to_string_lossy(), "/bin/true"]))),
        ("s6-sudo", Box::new(|| with(Path::new("s6-sudo"), &[&theirs.to_string_lossy()]))),
    ];
    let mut seen = [const { Vec::new() }; 3];
    for _ in 0..RUNS {
        for ((name, command), seen) in ways.iter().zip(&mut seen) {
            let began = Instant::now();
            let status = command().stdin(Stdio::null()).status().with_context(|| format!("cannot start {name}"))?;
            seen.push(millis(began.elapsed()));
            ensure!(status.success(), "{name} ended with {status}");
        }
    }
    for seen in &mut seen {
        seen.sort_by(f64::total_cmp);
    }
    let rows = ways.iter().zip(&seen).map(|((name, _), seen)| {
        let at = |share: usize| format!("{:.2}", seen[seen.len() * share / 100]);
        vec![(*name).to_owned(), at(50), at(90), at(99)]
    });
    print!("{}", Table::new("/bin/true, in ms", &["way", "median", "p90", "p99"], rows.collect(), 1));
    Ok(seen.map(|seen| seen[RUNS / 2]))
}

/// The best of some passes in GiB/s: here, and over our socket.
fn gibibyte(client: &Path, ours: &Path) -> Result<[f64; 2]> {
    let mut best = [0.0_f64; 2];
    for _ in 0..PASSES {
        let ways = [with(Path::new("cat"), &[]), with(client, &["--connect", &ours.to_string_lossy(), "cat"])];
        for (mut command, best) in ways.into_iter().zip(&mut best) {
            let mut head = with(Path::new("head"), &["-c", &GIB.to_string(), "/dev/zero"]);
            let began = Instant::now();
            let mut source = head.stdout(Stdio::piped()).spawn().context("cannot start head")?;
            let bytes = source.stdout.take().context("its output is a pipe")?;
            let status = command.stdin(bytes).stdout(Stdio::null()).status().context("cannot start cat")?;
            ensure!(status.success() && source.wait()?.success(), "it ended with {status}");
            *best = best.max(1.0 / began.elapsed().as_secs_f64());
        }
    }
    Ok(best)
}

fn at_once(client: &Path, ours: &Path) -> Result<Duration> {
    let began = Instant::now();
    let start = |_| with(client, &["--connect", &ours.to_string_lossy(), "sleep", "0.1"]).spawn();
    let all: Vec<Child> = (0..SESSIONS).map(start).collect::<Result<_, _>>()?;
    for mut one in all {
        ensure!(one.wait()?.success(), "one of {SESSIONS} sessions failed");
    }
    Ok(began.elapsed())
}

fn with(program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    command
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A server that ends with this value.
struct Server(Child);

impl Server {
    fn start(command: &mut Command, socket: &Path) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Self(child.with_context(|| format!("cannot start {command:?}"))?);
        let began = Instant::now();
        while !socket.exists() {
            ensure!(began.elapsed() < PATIENCE, "{command:?} does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }

    /// Its processor time so far.
    fn ticks(&self) -> Result<u64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let (_, fields) = stat.rsplit_once(") ").context("a process has a state")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
