//! What a sandbox should refuse.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::mount::MountFlags;
use rustix::net::{AddressFamily, SocketType, ipproto};

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Bytes written at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Tries it, and says `done` or what came of it. What was gained is given back.
pub(crate) fn outcome(what: &str) -> String {
    match attempt(what.trim()) {
        Ok(()) => "done".to_owned(),
        Err(e) => format!("{e:#}"),
    }
}

fn attempt(what: &str) -> anyhow::Result<()> {
    let (verb, rest) = what.split_once(' ').unwrap_or((what, ""));
    match verb {
        "connect" => drop(TcpStream::connect_timeout(&rest.parse()?, CONNECT_WITHIN)?),
        "fill" => {
            let (path, mb) = rest.split_once(' ').context("fill wants a path and a number")?;
            let filled = fill(path, mb.parse()?);
            let _ = fs::remove_file(path);
            filled?;
        }
        "fork" => fork(rest.parse()?)?,
        "mount" => rustix::mount::mount("tmpfs", "/tmp", "tmpfs", MountFlags::empty(), None)?,
        "open" => open(rest.parse()?)?,
        "raw" => drop(rustix::net::socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP))?),
        "root" => rustix::thread::set_thread_uid(rustix::process::Uid::ROOT)?,
        "write" => File::options().append(true).create(true).open(rest)?.write_all(b"x")?,
        _ => bail!("{verb:?} is nothing to try"),
    }
    Ok(())
}

fn fill(path: &str, mb: usize) -> io::Result<()> {
    let mut file = File::create(path)?;
    let piece = vec![b'x'; PIECE_BYTES];
    (0..mb).try_for_each(|_| file.write_all(&piece))
}

fn open(count: usize) -> anyhow::Result<()> {
    let mut files = Vec::new();
    for n in 0..count {
        files.push(File::open("/proc/self/exe").with_context(|| format!("after {n}"))?);
    }
    Ok(())
}

fn fork(count: usize) -> anyhow::Result<()> {
    let mut children = Children(Vec::new());
    for n in 0..count {
        // Ourselves, waiting for ever.
        let mut command = Command::new("/proc/self/exe");
        command.env("FAULTY_START", "hang").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        children.0.push(command.spawn().with_context(|| format!("after {n}"))?);
    }
    Ok(())
}

struct Children(Vec<Child>);

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
