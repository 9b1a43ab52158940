//! Those who are measured: started, asked once, and ended with this value.
//!
//! Functions listen on unix sockets and load speaks TCP, so there is always a front. The function
//! behind it is the same for all of them but the floor, which brings its own.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::process::{self, Cpu, Process};
use super::stage::Stage;

mod counted;
mod nginx;
mod node;

pub(crate) use counted::Counted;
pub(crate) use nginx::nginx;
pub(crate) use node::{Deployed, node, node_beside};

/// Calls in flight that hotfn lets one container have, and connections that nginx keeps to it: as
/// many as the load opens at most.
pub(crate) const CONCURRENCY: u32 = 512;
/// How long one answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// A front with what is behind it.
#[derive(Debug)]
pub(crate) struct Contender {
    /// Its name in the report.
    pub(crate) name: &'static str,
    /// Where the load goes, and what it posts to.
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    /// What it posts large bodies to, where that is another place.
    pub(crate) path_large: Option<&'static str>,
    pub(crate) front: Process,
    /// The function behind it, where it did not start one itself.
    function: Option<Process>,
}

impl Contender {
    /// hotfn with the function in one container.
    pub(crate) fn hotfn(stage: &Stage, function: &str) -> Result<Self> {
        node(stage, "hotfn", &[Deployed { concurrency: CONCURRENCY, ..Deployed::new(stage, function) }])
    }

    /// The least that a front and a function can do.
    pub(crate) fn floor(stage: &Stage) -> Result<Self> {
        let socket = fresh(stage, "floor")?;
        let mut function = stage.command(stage.built("floor"));
        function.arg("function").arg(&socket);
        let function = Process::spawn(&mut function, &stage.folder.join("floor-function.log"))?;
        process::wait_until(&format!("the socket {}", socket.display()), || socket.exists())?;
        Self::floor_front(stage, "floor", socket, function)
    }

    /// The function behind the floor's front, that is: behind TCP, without us.
    pub(crate) fn direct(stage: &Stage, function: &str) -> Result<Self> {
        let (function, socket) = function_alone(stage, "direct", function)?;
        Self::floor_front(stage, "direct", socket, function)
    }

    /// Where the load goes, for `wrk`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path)
    }

    /// Processor time of the front, and of the functions behind it. One that ends while it is looked at, as
    /// those of `default` do after each call, is left out.
    pub(crate) fn cpu(&self) -> Result<(Cpu, Cpu)> {
        let functions = self.functions()?.into_iter().filter_map(|id| Cpu::of(id).ok());
        Ok((Cpu::of(self.front.id())?, functions.fold(Cpu::default(), |sum, cpu| sum + cpu)))
    }

    /// The processes behind the front.
    pub(crate) fn functions(&self) -> Result<Vec<u32>> {
        match &self.function {
            Some(function) => Ok(vec![function.id()]),
            None => process::children(self.front.id()),
        }
    }

    fn floor_front(stage: &Stage, name: &'static str, socket: PathBuf, function: Process) -> Result<Self> {
        let address = free_address()?;
        let mut front = stage.command(stage.built("floor"));
        front.arg("front").arg(address.to_string()).arg(socket);
        Self::start(stage, name, front, address, "/call", Some(function))
    }

    fn start(
        stage: &Stage,
        name: &'static str,
        mut command: Command,
        address: SocketAddr,
        path: &str,
        function: Option<Process>,
    ) -> Result<Self> {
        let log = stage.folder.join(format!("{name}.log"));
        let front = Process::spawn(&mut command, &log)?;
        let mut contender = Self { name, address, path: path.to_owned(), path_large: None, front, function };
        // Its log goes with the folder when this fails.
        let told = || fs::read_to_string(&log).unwrap_or_else(|e| e.to_string());
        let up = || contender.front.has_ended() || answers(address, path);
        process::wait_until(&format!("an answer of {name}"), up).with_context(told)?;
        ensure!(!contender.front.has_ended(), "{name} ended before its first answer: {}", told());
        Ok(contender)
    }
}

/// The function, started as an agent would, with the socket that it made.
fn function_alone(stage: &Stage, of: &str, function: &str) -> Result<(Process, PathBuf)> {
    let socket = fresh(stage, of)?;
    let mut command = stage.command(stage.built(function));
    command.env("FN_FORMAT", "http-stream").env("FN_LISTENER", format!("unix:{}", socket.display()));
    let process = Process::spawn(&mut command, &stage.folder.join(format!("{of}-function.log")))?;
    process::wait_until(&format!("the function's socket {}", socket.display()), || socket.exists())?;
    Ok((process, socket))
}

/// A socket's path, and nobody's yet: one of the same name may have had its turn before.
fn fresh(stage: &Stage, name: &str) -> Result<PathBuf> {
    let socket = stage.folder.join(format!("{name}.sock"));
    match fs::remove_file(&socket) {
        Err(e) if e.kind() != ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", socket.display()))
        }
        _ => Ok(socket),
    }
}

/// An address of this machine that was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Does a post to `path` come back with 200?
fn answers(address: SocketAddr, path: &str) -> bool {
    let ask = || -> std::io::Result<[u8; 12]> {
        let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
        );
        stream.write_all(request.as_bytes())?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(status)
    };
    ask().is_ok_and(|status| &status == b"HTTP/1.1 200")
}
