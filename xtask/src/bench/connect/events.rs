//! Events that call a hot function, beside calls of the same function over HTTP.
//!
//! One node, one container of the example `echo`. `wrk` posts 16 bytes over and over on kept-open
//! connections; then lines of as many bytes come in through a connector, and their replies go back.
//! Both have as many calls under way, in turns.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::bench::contender::{self, CONCURRENCY, Contender, Deployed};
use crate::bench::load;
use crate::bench::stage::Stage;
use crate::bench::table::Table;
use crate::step::step;

/// Calls under way.
const IN_FLIGHT: usize = 64;
/// Over so many connections each; the best of them is held to the target.
const CONNECTIONS: [usize; 2] = [1, 8];
/// Events in one call, where many are gathered.
const BATCH: usize = 100;
/// Events of a run, and of one with batches.
const EVENTS: usize = 200_000;
const BATCHED_EVENTS: usize = 2_000_000;
/// How long wrk goes on for, in s.
const SECONDS: u32 = 5;
const ROUNDS: usize = 3;
/// What of wrk's rate events are to have.
const TARGET_SHARE: f64 = 0.8;
/// How long all the events may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// An event, as many bytes as wrk posts with the line's end.
const EVENT: &[u8] = b"0123456789abcde\n";

/// Measures and tells; what was missed, in words.
pub(super) fn measure(stage: &Stage) -> Result<Vec<String>> {
    let node = node(stage)?;
    let mut ways: Vec<(String, Vec<f64>)> = vec![(format!("HTTP, {IN_FLIGHT} connections"), Vec::new())];
    let shape = |n: usize| format!("events, {n} connections of {} calls", IN_FLIGHT / n);
    ways.extend(CONNECTIONS.map(|n| (shape(n), Vec::new())));
    ways.push((format!("events, {BATCH} to a call"), Vec::new()));
    step("calls and events in turns", || {
        for _ in 0..ROUNDS {
            let connections = u32::try_from(IN_FLIGHT)?;
            ways[0].1.push(load::wrk(stage, &node, connections, SECONDS)?.per_second());
            for (n, way) in CONNECTIONS.into_iter().zip(&mut ways[1..]) {
                way.1.push(events(&stage.folder.join(format!("events-{n}.sock")), n, EVENTS)?);
            }
            let batched = events(&stage.folder.join("batches.sock"), CONNECTIONS[1], BATCHED_EVENTS)?;
            ways[CONNECTIONS.len() + 1].1.push(batched);
        }
        Ok(())
    })?;
    let medians: Vec<f64> = ways.iter_mut().map(|(_, rates)| median(rates)).collect();
    let rows = ways
        .iter()
        .zip(&medians)
        .map(|((name, _), rate)| vec![name.clone(), format!("{rate:.0}"), format!("{:.2}", rate / medians[0])]);
    let header = ["way", "a second", "of HTTP's"];
    print!("{}", Table::new("Calls of a hot echo function, 16 bytes each", &header, rows.collect(), 1));
    let best = medians[1..=CONNECTIONS.len()].iter().copied().fold(0.0, f64::max) / medians[0];
    if best >= TARGET_SHARE {
        return Ok(Vec::new());
    }
    Ok(vec![format!("events come at {best:.2} of the rate of calls over HTTP, {TARGET_SHARE} are to be")])
}

/// A node with the function and a connector for each shape of load.
fn node(stage: &Stage) -> Result<Contender> {
    let function = Deployed { concurrency: CONCURRENCY, ..Deployed::new(stage, "echo") };
    let connector = |name: &str, in_flight: usize, more: &str| {
        let path = stage.folder.join(format!("{name}.sock"));
        format!(
            "\n[connector.{name}]\ntype = \"unix_socket_server\"\npath = \"{}\"\ncodec = \"string\"\n\
             preprocessors = [\"separate\"]\npostprocessors = [\"separate\"]\ncall = \"echo\"\n\
             in_flight = {in_flight}\n{more}\n",
            path.display()
        )
    };
    let mut config: String = CONNECTIONS.map(|n| connector(&format!("events-{n}"), IN_FLIGHT / n, "")).concat();
    config += &connector("batches", BATCH, &format!("batch = {{ max_events = {BATCH}, max_wait_ms = 1 }}"));
    contender::node_beside(stage, "hotfn", &[function], &config)
}

/// Events a second, over `connections` at once.
fn events(path: &Path, connections: usize, events: usize) -> Result<f64> {
    let each = events / connections;
    let began = Instant::now();
    thread::scope(|scope| {
        let talking: Vec<_> = (0..connections).map(|_| scope.spawn(move || talk(path, each))).collect();
        talking.into_iter().try_for_each(|one| one.join().map_err(|_| anyhow::anyhow!("a connection panicked"))?)
    })?;
    Ok((each * connections) as f64 / began.elapsed().as_secs_f64())
}

/// Sends so many events on a connection, and reads as many replies.
fn talk(path: &Path, events: usize) -> Result<()> {
    let stream = UnixStream::connect(path).with_context(|| format!("cannot connect to {}", path.display()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let all = EVENT.repeat(events);
    thread::scope(|scope| {
        let writer = scope.spawn(|| (&stream).write_all(&all));
        let (mut room, mut back) = (vec![0; 1 << 16], 0);
        while back < all.len() {
            let read = (&stream).read(&mut room)?;
            ensure!(read > 0, "a connection ended after {back} of {} bytes", all.len());
            back += read;
        }
        ensure!(back == all.len(), "{back} bytes came back for {}", all.len());
        Ok(writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??)
    })
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
