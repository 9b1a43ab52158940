//! How long frozen containers take to thaw, as the node tells its callers (`Server-Timing`).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Calls, each of which finds its container frozen.
const CALLS: usize = 50;
/// Between two, for the container to idle and to be frozen: ten times what the node waits.
const REST: Duration = Duration::from_millis(100);
/// More than any call here takes, its container's start included.
const PATIENCE: Duration = Duration::from_secs(60);

/// The median in microseconds, for the container of `function`, which freezes when it idles.
///
/// # Errors
/// When a call fails, or its container was not frozen.
pub(crate) fn median_us(address: SocketAddr, function: &str) -> Result<f64> {
    let mut connection = Connection::open(address)?;
    connection.call(function)?;
    let mut thaws = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        thread::sleep(REST);
        let timing = connection.call(function)?;
        thaws.push(step(&timing, "thaw").with_context(|| format!("the container was not frozen: {timing:?}"))?);
    }
    thaws.sort_by(f64::total_cmp);
    Ok(thaws[CALLS / 2] * 1e3)
}

/// Milliseconds of one step of `queue;dur=0.012, thaw;dur=0.140`.
fn step(timing: &str, name: &str) -> Option<f64> {
    timing.split(", ").find_map(|step| step.strip_prefix(name)?.strip_prefix(";dur=")?.parse().ok())
}

struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Calls, and gives what the answer says of its time.
    fn call(&mut self, function: &str) -> Result<String> {
        let request = format!("POST /invoke/{function} HTTP/1.1\r\nHost: bench\r\nContent-Length: 2\r\n\r\nhi");
        self.0.get_mut().write_all(request.as_bytes())?;
        let (mut line, mut length, mut timing) = (String::new(), 0, String::new());
        self.0.read_line(&mut line)?;
        ensure!(line.starts_with("HTTP/1.1 200 "), "a call of {function} was answered {line:?}");
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().context("a length that is a number")?,
                "server-timing" => value.clone_into(&mut timing),
                _ => {}
            }
        }
        self.0.read_exact(&mut vec![0; length])?;
        Ok(timing)
    }
}
