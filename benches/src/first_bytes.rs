//! The yardstick of a first call: a function started by hand, as fast as that can be done.
//!
//! ```text
//! first-bytes PROGRAM COUNT
//! ```
//!
//! Spawns the program, sees its socket appear by inotify, connects, sends one call, and stops the
//! clock at the answer's first bytes; COUNT times over, each process killed and its directory removed
//! between two with the clock standing. Nothing is checked, bounded or kept: what a node takes beyond
//! it is its own. The findings are one line of JSON.

use std::fs;
use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hotfn::iofs::Root;
use rustix::fs::inotify;
use serde_json::json;

/// The name that the function is told to listen at.
const SOCKET: &str = "lsnr.sock";
const CALL: &[u8] = b"POST /call HTTP/1.1\r\nHost: f\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi";

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(program), Some(count), None) = (args.next(), args.next(), args.next()) else {
        bail!("try `first-bytes target/release/echo 100`");
    };
    let count: u32 = count.parse().with_context(|| format!("how often is a number, not {count:?}"))?;
    let folder = Root::usual().join(format!("first-bytes-{}", std::process::id()));
    let mut took = (0..count).map(|_| once(&program, &folder)).collect::<Result<Vec<_>>>()?;
    took.sort_unstable();
    let us = |share: f64| took.get((share * took.len() as f64) as usize).map(|took| took.as_nanos() as f64 / 1e3);
    println!("{}", json!({ "count": count, "p50_us": us(0.5), "p99_us": us(0.99) }));
    Ok(())
}

fn once(program: &str, folder: &Path) -> Result<Duration> {
    let began = Instant::now();
    fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let socket = folder.join(SOCKET);
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC)?;
    inotify::add_watch(&watch, folder, inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO)?;
    let mut child = Command::new(program)
        .env_clear()
        .env("FN_FORMAT", "http-stream")
        .env("FN_LISTENER", format!("unix:{}", socket.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    let answered = answered(&watch, &socket);
    let took = began.elapsed();
    end(&mut child)?;
    fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    answered.map(|()| took)
}

/// Waits for the socket, calls, and waits for the first bytes.
fn answered(watch: &std::os::fd::OwnedFd, socket: &Path) -> Result<()> {
    let mut memory = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(watch, &mut memory);
    while events.next()?.file_name().is_none_or(|name| name.to_bytes() != SOCKET.as_bytes()) {}
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(CALL)?;
    let mut first = [0; 256];
    let n = stream.read(&mut first)?;
    if !first[..n].starts_with(b"HTTP/1.1 200") {
        bail!("answered {:?}", String::from_utf8_lossy(&first[..n]));
    }
    Ok(())
}

fn end(child: &mut Child) -> Result<()> {
    child.kill()?;
    child.wait()?;
    Ok(())
}
