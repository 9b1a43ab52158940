//! `cargo xtask bench connect`: lines through a connector, beside socat.
//!
//! A million lines of JSON, 100 bytes each, go over one connection and come back: through
//! `hotfn connect` with `separate` and `json`, which checks each, and through socat, which copies
//! bytes. What counts is the processor time of the one in the middle, since both ends are ours; its
//! peak of memory shows that nothing piles up.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::part::Cores;
use super::process::{Cpu, Process, forget_peak, peak_bytes, wait_until};
use super::stage::Stage;
use super::{hot, table};
use crate::install::{self, SOCAT};
use crate::step::step;

/// Lines of a run.
const LINES: usize = 1_000_000;
/// Bytes of a line, its end included.
const LINE_BYTES: usize = 100;
/// Runs of each, in turns; the best counts, since the machine only ever takes time away.
const ROUNDS: usize = 3;
/// Lines a second that one core is to check and pass on.
const TARGET_PER_SECOND: f64 = 1_500_000.0;
/// How long all the lines may take.
const PATIENCE: Duration = Duration::from_secs(120);
const PROFILE: &str = "release";

/// What one run has shown.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// Of both ends and the middle.
    seconds: f64,
    /// Of the one in the middle.
    cpu_seconds: f64,
    peak_mib: f64,
}

/// Measures, tells, and fails if lines take longer than they may.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    if let [word, ..] = words {
        bail!("unknown option {word:?}; `cargo xtask bench connect` takes none");
    }
    step("install what the benchmark needs from Debian", || install::debian(&[SOCAT]))?;
    step("build", || hot::build(PROFILE))?;
    let stage = Stage::new(Cores::All, PROFILE)?;
    let lines = lines();
    let mut best = [None, None];
    for _ in 0..ROUNDS {
        for (name, best) in ["hotfn", "socat"].into_iter().zip(&mut best) {
            let seen = step(&format!("a million lines through {name}"), || measure(&stage, name, &lines))?;
            if best.is_none_or(|best: Seen| seen.cpu_seconds < best.cpu_seconds) {
                *best = Some(seen);
            }
        }
    }
    let rows = ["hotfn", "socat"].iter().zip(best.into_iter().flatten()).map(|(name, seen)| {
        let rate = |seconds: f64| format!("{:.0}", LINES as f64 / seconds);
        vec![(*name).to_owned(), rate(seen.seconds), rate(seen.cpu_seconds), format!("{:.1}", seen.peak_mib)]
    });
    let header = ["through", "lines/s", "lines/s of a core", "peak MiB"];
    print!("{}", table::Table::new("A million lines of 100 bytes, there and back", &header, rows.collect(), 1));
    let per_second = best[0].map_or(0.0, |seen| LINES as f64 / seen.cpu_seconds);
    ensure!(per_second >= TARGET_PER_SECOND, "{per_second:.0} lines/s of a core are fewer than {TARGET_PER_SECOND:.0}");
    Ok(())
}

/// All the lines of a run, each a JSON object.
fn lines() -> Vec<u8> {
    let mut lines = Vec::with_capacity(LINES * LINE_BYTES);
    for n in 0..LINES {
        let head = format!("{{\"n\":{n},\"ok\":true,\"tags\":[\"a\",\"b\"],\"text\":\"");
        let fill = LINE_BYTES - head.len() - "\"}\n".len();
        lines.extend_from_slice(head.as_bytes());
        lines.extend(std::iter::repeat_n(b'x', fill));
        lines.extend_from_slice(b"\"}\n");
    }
    lines
}

fn measure(stage: &Stage, name: &str, lines: &[u8]) -> Result<Seen> {
    let path = stage.folder.join(format!("{name}.sock"));
    let mut command = match name {
        "hotfn" => {
            let mut command = stage.command(stage.built("hotfn"));
            command.args(["connect", "server"]).arg(&path);
            command
        }
        _ => {
            let mut command = stage.command("socat");
            command.arg(format!("UNIX-LISTEN:{}", path.display())).arg("PIPE");
            command
        }
    };
    let process = Process::spawn(&mut command, &stage.folder.join(format!("{name}.log")))?;
    wait_until("the socket", || path.exists())?;
    let before = Cpu::of(process.id())?;
    forget_peak(process.id())?;
    let began = Instant::now();
    let stream = there_and_back(&path, lines)?;
    let seconds = began.elapsed().as_secs_f64();
    // The connection is still open: one that serves a single one has not ended yet.
    let took = Cpu::of(process.id())?.since(before, 1.0);
    let peak_mib = peak_bytes(process.id())? / f64::from(1 << 20);
    drop(stream);
    drop(process);
    let _ = std::fs::remove_file(&path);
    Ok(Seen { seconds, cpu_seconds: (took.user_us + took.system_us) / 1e6, peak_mib })
}

/// Sends all and reads all back; the connection, still open.
fn there_and_back(path: &Path, lines: &[u8]) -> Result<UnixStream> {
    let stream = UnixStream::connect(path).with_context(|| format!("cannot connect to {}", path.display()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let back = thread::scope(|scope| -> Result<usize> {
        let writer = scope.spawn(|| (&stream).write_all(lines));
        let (mut room, mut back) = (vec![0; 1 << 16], 0);
        while back < lines.len() {
            match (&stream).read(&mut room)? {
                0 => break,
                read => back += read,
            }
        }
        if back < lines.len() {
            stream.shutdown(Shutdown::Both)?;
        }
        writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
        Ok(back)
    })?;
    ensure!(back == lines.len(), "{back} of {} bytes came back", lines.len());
    Ok(stream)
}
