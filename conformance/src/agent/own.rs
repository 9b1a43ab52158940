//! An agent that the harness starts, with settings as a case needs them, and ends.

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::bounds;
use crate::check::{Run, Stop, ours};
use crate::function::{Launch, Output, Process, Stdio};
use crate::subject::{Command, Program};
use crate::transcript::Transcript;

/// What its settings are called, which are Fn's.
const PORT: &str = "FN_PORT";
const IOFS: &str = "FN_IOFS_PATH";
const DB: &str = "FN_DB_URL";
const LOG_LEVEL: &str = "FN_LOG_LEVEL";
/// In an argument: where it is to listen.
const ADDRESS: &str = "{address}";

/// How often an agent's port is tried that does not answer yet, and a folder looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Folders of container directories may lie this deep below where an agent was told to make them.
const DEPTH_MAX: usize = 4;
/// The bits of a folder that everybody may use.
const FOR_ALL: u32 = 0o777;

/// One that runs. Dropping it ends it, as a service manager would.
#[derive(Debug)]
pub(crate) struct Own {
    process: Process,
    address: SocketAddr,
    // Removed last.
    folder: Arc<Folder>,
}

/// What belongs to an agent and may be given to the next.
#[derive(Debug)]
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Run<Self> {
        let folder = ours(TempDir::with_prefix("conformance-"), "make a folder for an agent")?;
        let iofs = folder.path().join("iofs");
        ours(fs::create_dir(&iofs), "make a folder for an agent")?;
        for dir in [folder.path(), &iofs] {
            ours(fs::set_permissions(dir, fs::Permissions::from_mode(FOR_ALL)), "open an agent's folder to all")?;
        }
        Ok(Self(folder))
    }

    /// Where it is told to make the directories of containers.
    fn iofs(&self) -> PathBuf {
        self.0.path().join("iofs")
    }

    /// The directories of containers that listen.
    pub(crate) fn listeners(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        listeners(&self.iofs(), DEPTH_MAX, &mut found);
        found
    }
}

impl Own {
    /// Starts one with these settings, and waits until it answers.
    pub(crate) fn start(command: &Command, settings: &[(&str, &str)], transcript: &Transcript) -> Run<Self> {
        Self::start_in(Arc::new(Folder::new()?), command, settings, transcript)
    }

    /// The same, with what belonged to another.
    pub(crate) fn start_in(
        folder: Arc<Folder>,
        command: &Command,
        settings: &[(&str, &str)],
        transcript: &Transcript,
    ) -> Run<Self> {
        let listens_at = free_address()?;
        let place = |word: &OsString| match word.to_str() {
            Some(text) => text.replace(ADDRESS, &listens_at.to_string()).into(),
            None => word.clone(),
        };
        let program = Program::Command(command.words.iter().map(place).collect());
        let (iofs, db) = (folder.iofs(), folder.0.path().join("fn.db"));
        let usual = [
            (PORT, listens_at.port().to_string()),
            (IOFS, iofs.display().to_string()),
            (DB, format!("sqlite3://{}", db.display())),
            (LOG_LEVEL, "debug".to_owned()),
        ];
        let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let environment = usual.into_iter().chain(settings).map(|(name, value)| (name.to_owned(), value)).collect();
        let launch = Launch { program: &program, prefix: Vec::new(), folder: None, environment, stdio: Stdio::Log };
        let process = Process::start(&launch, transcript)?;
        let mut own = Self { process, address: (command.reached_at)(listens_at), folder };
        own.answers(listens_at)?;
        Ok(own)
    }

    fn answers(&mut self, listens_at: SocketAddr) -> Run {
        let began = Instant::now();
        while TcpStream::connect(listens_at).is_err() {
            if let Some(status) = self.process.ended() {
                return Err(Stop::untold(format!(
                    "the agent ended with {status} before it listened at {listens_at}; on standard error it said {:?}",
                    self.process.stderr.tail()
                )));
            }
            if began.elapsed() > bounds::START {
                return Err(Stop::untold(format!(
                    "the agent did not listen at {listens_at} within {:?}; it is told where by {PORT}, or by \
                     {ADDRESS} in its command",
                    bounds::START
                )));
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Where it is reached.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has it not ended?
    pub(crate) fn lives(&mut self) -> bool {
        self.process.ended().is_none()
    }

    /// What it logs, on both its streams.
    pub(crate) fn logs(&self) -> [&Output; 2] {
        [&self.process.stdout, &self.process.stderr]
    }

    /// The directories of its containers that listen.
    pub(crate) fn listeners(&self) -> Vec<PathBuf> {
        self.folder.listeners()
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        self.process.signal(Signal::TERM);
    }

    /// How it ends, within `bound`.
    pub(crate) fn ends_within(&mut self, bound: Duration) -> Option<ExitStatus> {
        self.process.ends_within(bound)
    }

    /// Ends it as a crash would; what belonged to it is left as it is.
    pub(crate) fn crash(mut self) -> Arc<Folder> {
        self.process.signal(Signal::KILL);
        self.process.ends_within(bounds::END);
        self.folder.clone()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if self.lives() {
            // Its containers are its own to end.
            self.terminate();
            self.process.ends_within(bounds::END);
        }
    }
}

/// One that is free now. Somebody else may take it before the agent does, as with all such ports.
fn free_address() -> Run<SocketAddr> {
    let listener = ours(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)), "find a free port")?;
    ours(listener.local_addr(), "find a free port")
}

/// The folders below `dir` that have a socket, or a link as functions make them, in them.
fn listeners(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let mut listens = false;
    for entry in entries {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && depth > 0 {
            listeners(&entry.path(), depth - 1, found);
        }
        listens |= kind.is_socket() || kind.is_symlink();
    }
    if listens {
        found.push(dir.to_owned());
    }
}
