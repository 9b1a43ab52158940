//! The process of a function, and all it starts.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::Output;
use super::container::Container;
use super::live;
use super::watch::readable;
use crate::check::{Run, ours};
use crate::subject::Program;
use crate::transcript::Transcript;

/// How to start one.
#[derive(Clone, Debug)]
pub(crate) struct Launch<'l> {
    pub(crate) program: &'l Program,
    /// Words before a command: a program that starts it with less. An image has less anyway.
    pub(crate) prefix: Vec<OsString>,
    /// What it shares with the harness, if anything.
    pub(crate) folder: Option<PathBuf>,
    /// On top of the harness's own environment, of which nothing that begins like ours remains.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) stdio: Stdio,
}

/// What standard input and output are for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stdio {
    /// Input is closed, output is a log.
    Log,
    /// Calls and answers.
    Wire,
}

/// One that was started. Dropping it ends it, and whatever it started that is still of its group.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// It has ended and was waited for: its number may be another's by now.
    is_reaped: bool,
    /// What the child stands for, if it does.
    container: Option<Container>,
    pidfd: OwnedFd,
    transcript: Transcript,
    pub(crate) stdin: Option<ChildStdin>,
    /// The wire, if that is what it is for.
    pub(crate) wire: Option<ChildStdout>,
    /// The log, if that is what it is for.
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
}

/// What `docker run` ends with for reasons of its own.
const ENGINES_OWN: i32 = 125;

/// Variables of the harness's environment that begin like this are not the function's business.
const OURS: [&str; 3] = ["FN_", "OCI_", "CONFORMANCE_"];

impl Process {
    pub(crate) fn start(launch: &Launch<'_>, transcript: &Transcript) -> Run<Self> {
        let (container, words) = match launch.program {
            Program::Command(words) => (None, [&launch.prefix[..], words].concat()),
            Program::Image(image) => {
                let (container, words) = Container::of(launch, image);
                (Some(container), words)
            }
        };
        let (program, arguments) = words.split_first().expect("a command has a program");
        let mut command = Command::new(program);
        command.args(arguments).process_group(0);
        for (name, _) in std::env::vars_os() {
            if OURS.iter().any(|ours| name.to_string_lossy().starts_with(ours)) {
                command.env_remove(name);
            }
        }
        command.envs(&launch.environment).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command.stdin(match launch.stdio {
            Stdio::Log => std::process::Stdio::null(),
            Stdio::Wire => std::process::Stdio::piped(),
        });
        live::may_start()?;
        let mut child = ours(command.spawn(), &format!("start {}", program.display()))?;
        live::started(Pid::from_child(&child));
        transcript.note(format!("started {}", shown(launch)));
        let pidfd = Pid::from_child(&child);
        let pidfd = ours(pidfd_open(pidfd, PidfdFlags::empty()), "watch the process")?;
        let stderr = Output::follow(child.stderr.take().expect("its errors are a pipe"));
        let stdout = child.stdout.take().expect("its output is a pipe");
        let (wire, stdout) = match launch.stdio {
            Stdio::Log => (None, Output::follow(stdout)),
            Stdio::Wire => (Some(stdout), Output::default()),
        };
        Ok(Self {
            stdin: child.stdin.take(),
            child,
            is_reaped: false,
            container,
            pidfd,
            transcript: transcript.clone(),
            wire,
            stdout,
            stderr,
        })
    }

    /// Readable once it has ended.
    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let mut status = None;
        live::reap(Pid::from_child(&self.child), || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        });
        self.is_reaped |= status.is_some();
        status
    }

    /// Is this how an engine ends that could not start an image?
    pub(crate) fn is_the_engines(&self, status: ExitStatus) -> bool {
        self.container.is_some() && status.code() == Some(ENGINES_OWN)
    }

    /// How it ends, within `bound`.
    pub(crate) fn ends_within(&mut self, bound: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + bound;
        while Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            let _ = readable(&[self.pidfd.as_fd()], left);
            if let Some(status) = self.ended() {
                return Some(status);
            }
        }
        self.ended()
    }

    /// Sends a signal to it and to whatever it started.
    pub(crate) fn signal(&self, signal: Signal) {
        match &self.container {
            Some(container) => container.signal(signal),
            None => self.signal_group(signal),
        }
    }

    /// To its group as long as that is sure to be its own. On a machine that starts many processes the
    /// number of one that was waited for is soon another's.
    fn signal_group(&self, signal: Signal) {
        if !self.is_reaped {
            // It may have ended, which is no news here.
            let _ = kill_process_group(Pid::from_child(&self.child), signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(status) = self.ended() {
            // Whatever went wrong, this is the likeliest reason.
            self.transcript.note(format!("the process had ended with {status}; it said {:?}", self.stderr.tail()));
        }
        self.container = None;
        self.signal_group(Signal::KILL);
        // Nobody is kept from signalling others while it ends.
        let _ = poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], None);
        live::reap(Pid::from_child(&self.child), || self.child.wait().is_ok());
    }
}

fn shown(launch: &Launch<'_>) -> String {
    let variables = launch.environment.iter().map(|(name, value)| format!("{name}={value:?}"));
    let words: Vec<&OsString> = match launch.program {
        Program::Command(words) => launch.prefix.iter().chain(words).collect(),
        Program::Image(image) => return format!("{} {image}", variables.collect::<Vec<_>>().join(" ")),
    };
    let words = words.into_iter().map(|word| match Path::new(word).file_name() {
        // Where it lies on this machine is nobody's business who reads the report.
        Some(name) if Path::new(word).is_absolute() => format!("…/{}", name.display()),
        _ => word.display().to_string(),
    });
    variables.chain(words).collect::<Vec<_>>().join(" ")
}
