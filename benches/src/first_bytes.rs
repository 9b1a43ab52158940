//! The yardstick of a first call: a function started by hand, as fast as that can be done.
//!
//! ```text
//! first-bytes --count 100 -- target/release/echo
//! first-bytes --count 20 --listener /tmp/iofs/lsnr.sock --after 'docker rm --force {id}' -- \
//!     docker run --name {id} --volume {iofs}:/tmp/iofs --env FN_LISTENER={listener} --env FN_FORMAT=http-stream echo
//! ```
//!
//! Runs the command, sees its socket appear by inotify, connects, sends one call, and stops the
//! clock at the answer's first bytes; so many times over, each ended and its directory removed between
//! two with the clock standing. `{iofs}` in a word is the directory, `{id}` a name that is new each
//! time, `{listener}` what the function is told. Nothing is checked, bounded or kept: what a node takes
//! beyond it is its own. The findings are one line of JSON.

use std::fs;
use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use hotfn::iofs::Root;
use rustix::fs::inotify;
use serde_json::json;

/// The name that the function is told to listen at.
const SOCKET: &str = "lsnr.sock";
const CALL: &[u8] = b"POST /call HTTP/1.1\r\nHost: f\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi";

/// Starts a function by hand, over and over, and says how long its first answer takes.
#[derive(Debug, Parser)]
struct Options {
    /// How often
    #[arg(long, default_value_t = 100)]
    count: u32,
    /// A rest before each, in ms: who starts one right after the other finds everything warm
    #[arg(long, default_value_t = 0)]
    rest_ms: u64,
    /// The directory of its socket, made anew each time [default: one in memory]
    #[arg(long)]
    iofs: Option<PathBuf>,
    /// Where the function is to listen, in its own eyes [default: in that directory]
    #[arg(long)]
    listener: Option<PathBuf>,
    /// A command that ends it, words with white space between; without one it is killed
    #[arg(long)]
    after: Option<String>,
    /// What starts it
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let usual = || Root::usual().join(format!("first-bytes-{}", std::process::id()));
    let folder = options.iofs.clone().unwrap_or_else(usual);
    let mut took = (0..options.count).map(|n| once(&options, &folder, n)).collect::<Result<Vec<_>>>()?;
    took.sort_unstable();
    let us = |share: f64| took.get((share * took.len() as f64) as usize).map(|took| took.as_nanos() as f64 / 1e3);
    println!("{}", json!({ "count": options.count, "p50_us": us(0.5), "p99_us": us(0.99) }));
    Ok(())
}

fn once(options: &Options, folder: &Path, n: u32) -> Result<Duration> {
    let listener = format!("unix:{}", options.listener.clone().unwrap_or_else(|| folder.join(SOCKET)).display());
    let id = format!("first-bytes-{}-{n}", std::process::id());
    let filled = |word: &str| {
        word.replace("{id}", &id).replace("{listener}", &listener).replace("{iofs}", &folder.to_string_lossy())
    };
    std::thread::sleep(Duration::from_millis(options.rest_ms));
    let began = Instant::now();
    fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // A container's user is another than ours.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777))?;
    let socket = folder.join(SOCKET);
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC)?;
    inotify::add_watch(&watch, folder, inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO)?;
    let program = filled(&options.command[0]);
    let mut child = Command::new(&program);
    child.args(options.command[1..].iter().map(|word| filled(word)));
    if options.after.is_none() {
        child.env_clear();
    }
    child.env("FN_FORMAT", "http-stream").env("FN_LISTENER", &listener);
    child.stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = child.spawn().with_context(|| format!("cannot start {program}"))?;
    let answered = answered(&watch, &socket);
    let took = began.elapsed();
    match &options.after {
        None => child.kill()?,
        Some(after) => {
            let mut words = after.split_whitespace().map(filled);
            let Some(program) = words.next() else { bail!("--after names no program") };
            Command::new(program).args(words).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
        }
    }
    child.wait()?;
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
