//! Running a program of the host that this function was allowed.
//!
//! The platform may give a container a second socket, by which its function runs programs of the host
//! by name: see [`Context::exec`](crate::Context::exec). The program has what is left of the call's
//! time. Dropping what runs it ends it, with all that it has started.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hotfn_exec::client::{Asked, Failure, Version};
use hotfn_exec::packet::{Ended, How, Request, Streams, Tell};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;

/// A program to be run.
#[derive(Debug)]
#[must_use = "nothing runs before `output` is awaited"]
pub struct Exec {
    socket: Option<PathBuf>,
    request: Request,
    input: Bytes,
}

/// What a program printed, and how it ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Output {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// What it printed.
    pub stdout: Bytes,
    /// What it complained of.
    pub stderr: Bytes,
}

/// Why a program did not run, or nobody knows how it ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// The platform gave this function no such socket.
    #[error("this function may run no programs: {} is not set", ENV)]
    NoSocket,
    /// It could not be passed what it reads, or what it printed could not be read.
    #[error("cannot pass on what a program reads and prints")]
    Pipe(#[source] io::Error),
    /// It was refused, could not be started, or got lost.
    #[error(transparent)]
    Run(#[from] Failure),
    /// Its time, which is the call's, was up.
    #[error("the program was ended because the call's time was up")]
    TimedOut,
}

/// The environment variable that names the socket.
pub(crate) const ENV: &str = "HOTFN_EXEC";

/// Most bytes of either stream that are kept; a program that prints more than that waits for nobody,
/// and the rest is dropped.
pub const OUTPUT_BYTES_MAX: usize = 64 << 20;

impl Exec {
    pub(crate) fn new(socket: Option<&str>, call: Option<&str>, program: OsString) -> Self {
        let mut request = Request::new(program);
        request.streams = Streams::ALL;
        request.named = true;
        request.labels.extend(call.map(|call| (OsString::from("call"), OsString::from(call))));
        Self { socket: socket.map(PathBuf::from), request, input: Bytes::new() }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.request.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.request.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable, which arrives if the node's rules let it pass.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.request.env.push((name.into(), value.into()));
        self
    }

    /// Where it starts, if the node's rules leave that to us.
    pub fn cwd(mut self, dir: impl Into<PathBuf>) -> Self {
        self.request.cwd = Some(dir.into());
        self
    }

    /// What it reads. Default: nothing.
    pub fn input(mut self, bytes: impl Into<Bytes>) -> Self {
        self.input = bytes.into();
        self
    }

    /// How long it may take, if that is less than what is left of the call.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.request.timeout = Some(timeout);
        self
    }

    /// Runs it, and gathers what it prints. Dropping this future ends the program.
    ///
    /// # Errors
    /// When it did not run, or nobody knows how it ended. That it ended badly is no error here: see
    /// [`Output::code`].
    pub async fn output(self) -> Result<Output, ExecError> {
        let Self { socket, request, input } = self;
        let socket = socket.ok_or(ExecError::NoSocket)?;
        let (their_stdin, stdin) = std::io::pipe().map_err(ExecError::Pipe)?;
        let (stdout, their_stdout) = std::io::pipe().map_err(ExecError::Pipe)?;
        let (stderr, their_stderr) = std::io::pipe().map_err(ExecError::Pipe)?;
        let theirs: [OwnedFd; 3] = [their_stdin.into(), their_stdout.into(), their_stderr.into()];
        let files = Arc::new(theirs);
        let (starting_files, version) = (files.clone(), Version::Two);
        let starting = tokio::task::spawn_blocking(move || {
            let files: Vec<_> = starting_files.iter().map(AsFd::as_fd).collect();
            Asked::start(&socket, version, &request, &files)
        });
        let asked = starting.await.map_err(|e| ExecError::Pipe(io::Error::other(e)))??;
        // Otherwise we would wait for ourselves to let go of them.
        drop(files);
        let leash = Leash(rustix::io::fcntl_dupfd_cloexec(&asked, 3).map_err(|e| ExecError::Pipe(e.into()))?);
        let feed = feed(stdin.into(), input);
        let (fed, stdout, stderr) = tokio::join!(feed, gather(stdout.into()), gather(stderr.into()));
        let (stdout, stderr) = fed.and(Ok(())).and_then(|()| Ok((stdout?, stderr?))).map_err(ExecError::Pipe)?;
        let ended = tokio::task::spawn_blocking(move || end_of(asked)).await;
        let Ended { how, value, .. } = ended.map_err(|e| ExecError::Pipe(io::Error::other(e)))??;
        drop(leash);
        let (code, signal) = match how {
            How::Code => (Some(value), None),
            How::Signal | How::Killed => (None, Some(value)),
            How::TimedOut => return Err(ExecError::TimedOut),
        };
        Ok(Output { code, signal, stdout, stderr })
    }
}

impl Output {
    /// Did it end by itself, with 0?
    #[must_use]
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }
}

/// Ends the conversation when it is dropped, wherever a thread may be waiting in it.
struct Leash(OwnedFd);

impl Drop for Leash {
    fn drop(&mut self) {
        let _ = rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both);
    }
}

fn end_of(mut asked: Asked) -> Result<Ended, Failure> {
    loop {
        if let Tell::Exited(ended) = asked.hear()? {
            return Ok(ended);
        }
    }
}

/// A program need not read what it is given.
async fn feed(stdin: OwnedFd, input: Bytes) -> io::Result<()> {
    rustix::io::ioctl_fionbio(&stdin, true)?;
    let mut stdin = pipe::Sender::from_owned_fd(stdin)?;
    match stdin.write_all(&input).await {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(e),
        _ => Ok(()),
    }
}

async fn gather(from: OwnedFd) -> io::Result<Bytes> {
    rustix::io::ioctl_fionbio(&from, true)?;
    let mut from = pipe::Receiver::from_owned_fd(from)?;
    let mut all = Vec::new();
    (&mut from).take(OUTPUT_BYTES_MAX as u64).read_to_end(&mut all).await?;
    tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    Ok(all.into())
}

#[cfg(test)]
mod tests {
    use hotfn_exec::rules::{Command, Commands, Rule, Rules, What, Who};
    use hotfn_exec::server::{Config, Server};

    use super::*;

    fn serve(dir: &std::path::Path) -> (Server, String) {
        let command = |path: &str| Command::new(path);
        let commands = [("cat", "/bin/cat"), ("sh", "/bin/sh")].map(|(name, path)| (name.to_owned(), command(path)));
        let what = ["cat", "sh"].map(|name| What::Command(name.to_owned())).into();
        let rule = Rule { who: vec![Who::Anyone], what, ..Rule::default() };
        let rules = Rules { rules: vec![rule], commands: Commands::from_iter(commands) };
        let path = dir.join("exec.sock");
        (Server::start(Config::new(&path), rules).unwrap(), path.display().to_string())
    }

    #[tokio::test]
    async fn a_program_reads_prints_and_ends() {
        let dir = tempfile::tempdir().unwrap();
        let (_server, socket) = serve(dir.path());
        let exec = |program: &str| Exec::new(Some(&socket), Some("01J"), program.into());
        let many = Bytes::from(vec![7; 1 << 20]);
        let output = exec("cat").input(many.clone()).output().await.unwrap();
        assert!(output.success() && output.stdout == many);

        let output = exec("sh").args(["-c", "echo out; echo err >&2; exit 3"]).output().await.unwrap();
        assert_eq!((output.code, &*output.stdout, &*output.stderr), (Some(3), &b"out\n"[..], &b"err\n"[..]));

        let late = exec("sh").args(["-c", "sleep 600"]).timeout(Duration::from_millis(100)).output().await;
        assert!(matches!(late.unwrap_err(), ExecError::TimedOut));
        let refused = exec("git").output().await.unwrap_err();
        assert!(matches!(refused, ExecError::Run(Failure::Refused { .. })), "{refused}");
    }

    #[tokio::test]
    async fn dropping_it_ends_the_program() {
        let dir = tempfile::tempdir().unwrap();
        let (_server, socket) = serve(dir.path());
        let here = dir.path().join("pid");
        let script = format!("echo $$ > {}; exec sleep 600", here.display());
        let running = Exec::new(Some(&socket), None, "sh".into()).args(["-c", &script]).output();
        let pid = async {
            loop {
                if let Some(pid) = std::fs::read_to_string(&here).ok().filter(|pid| pid.ends_with('\n')) {
                    return pid.trim().to_owned();
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let pid = tokio::select! {
            ended = running => panic!("it runs for long: {ended:?}"),
            pid = pid => pid,
        };
        let stat = format!("/proc/{pid}/stat");
        let gone = async {
            while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone).await.expect("it ends");
    }

    #[tokio::test]
    async fn without_a_socket_there_is_a_reason() {
        let e = Exec::new(None, None, "git".into()).output().await.unwrap_err();
        assert!(e.to_string().contains("HOTFN_EXEC"), "{e}");
    }
}
