//! A million lines of JSON, 100 bytes each, over one connection and back.
//!
//! They go through `hotfn connect` with `separate` and `json`, which checks each line, and as bytes that
//! nobody looks at, and through socat, which copies. What counts is the processor time of the one in
//! the middle, since both ends are ours; its peak of memory shows that nothing piles up.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::bench::process::{Cpu, Process, forget_peak, peak_bytes, rss_bytes, wait_until};
use crate::bench::stage::Stage;
use crate::bench::table::Table;
use crate::step::step;

/// Lines of a run.
const LINES: usize = 1_000_000;
/// Bytes of a line, its end included.
const LINE_BYTES: usize = 100;
/// Runs of each, in turns; the best counts, since the machine only ever takes time away.
const ROUNDS: usize = 3;
/// Lines a second that one core is to check and pass on.
const TARGET_PER_SECOND: f64 = 1_500_000.0;
/// Memory that a hundred megabytes of lines may cost.
const GROWTH_MIB_MAX: f64 = 4.0;
/// How long all the lines may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Who is in the middle.
const WAYS: [Way; 3] = [
    Way { name: "hotfn: separate, json", hotfn: Some(&[]) },
    Way {
        name: "hotfn: bytes",
        hotfn: Some(&["--codec", "binary", "--set", "preprocessors=[]", "--set", "postprocessors=[]"]),
    },
    Way { name: "socat", hotfn: None },
];

struct Way {
    name: &'static str,
    /// The arguments that are its own, if it is ours.
    hotfn: Option<&'static [&'static str]>,
}

/// What one run has shown.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// Of both ends and the middle.
    seconds: f64,
    /// Of the one in the middle.
    cpu_seconds: f64,
    peak_mib: f64,
    growth_mib: f64,
}

/// Measures and tells; what was missed, in words.
pub(super) fn measure(stage: &Stage) -> Result<Vec<String>> {
    let lines = lines();
    let mut best: [Option<Seen>; WAYS.len()] = [None; WAYS.len()];
    for _ in 0..ROUNDS {
        for (way, best) in WAYS.iter().zip(&mut best) {
            let seen = step(&format!("a million lines through {}", way.name), || run(stage, way, &lines))?;
            if best.is_none_or(|best| seen.cpu_seconds < best.cpu_seconds) {
                *best = Some(seen);
            }
        }
    }
    let best: Vec<Seen> = best.into_iter().flatten().collect();
    let rows = WAYS.iter().zip(&best).map(|(way, seen)| {
        let rate = |seconds: f64| format!("{:.0}", LINES as f64 / seconds);
        let mib = |mib: f64| format!("{mib:.1}");
        vec![way.name.to_owned(), rate(seen.seconds), rate(seen.cpu_seconds), mib(seen.peak_mib), mib(seen.growth_mib)]
    });
    let header = ["through", "lines/s", "lines/s of a core", "peak MiB", "grown by MiB"];
    print!("{}", Table::new("A million lines of 100 bytes, there and back", &header, rows.collect(), 1));
    let mut missed = Vec::new();
    let per_second = LINES as f64 / best[0].cpu_seconds;
    if per_second < TARGET_PER_SECOND {
        missed.push(format!("{per_second:.0} lines/s of a core are fewer than {TARGET_PER_SECOND:.0}"));
    }
    if best[0].growth_mib > GROWTH_MIB_MAX {
        missed.push(format!("memory grew by {:.1} MiB, {GROWTH_MIB_MAX} may be", best[0].growth_mib));
    }
    Ok(missed)
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

fn run(stage: &Stage, way: &Way, lines: &[u8]) -> Result<Seen> {
    let path = stage.folder.join("lines.sock");
    let mut command = match way.hotfn {
        Some(own) => {
            let mut command = stage.command(stage.built("hotfn"));
            command.args(["connect", "server"]).arg(&path).args(own);
            command
        }
        None => {
            let mut command = stage.command("socat");
            command.arg(format!("UNIX-LISTEN:{}", path.display())).arg("EXEC:cat");
            command
        }
    };
    let process = Process::spawn(&mut command, &stage.folder.join("lines.log"))?;
    wait_until("the socket", || path.exists())?;
    let before = Cpu::of(process.id())?;
    let held = rss_bytes(process.id())?;
    forget_peak(process.id())?;
    let began = Instant::now();
    let stream = there_and_back(&path, lines)?;
    let seconds = began.elapsed().as_secs_f64();
    // The connection is still open: one that serves a single one has not ended yet.
    let took = Cpu::of(process.id())?.since(before, 1.0);
    let peak = peak_bytes(process.id())?;
    drop(stream);
    drop(process);
    let _ = std::fs::remove_file(&path);
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    Ok(Seen {
        seconds,
        cpu_seconds: (took.user_us + took.system_us) / 1e6,
        peak_mib: mib(peak),
        growth_mib: mib(peak - held),
    })
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
