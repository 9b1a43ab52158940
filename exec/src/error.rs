//! Why a process could not be started.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::Job;
use crate::packet::Class;

/// Why a process could not be started. Each names the program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The working directory is not there, is none, or is closed to us.
    #[error("cannot start {program:?}: its working directory {cwd:?} cannot be entered")]
    Cwd {
        /// What was to be started.
        program: PathBuf,
        /// Where.
        cwd: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The file is there but cannot be run: no permission, a directory, not a program of this
    /// machine, or a script whose interpreter is missing.
    #[error("cannot start {program:?}: {why}")]
    NotExecutable {
        /// The file.
        program: PathBuf,
        /// What is the matter with it.
        why: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// There is no such file, or no such name in the search path.
    #[error("cannot start {program:?}: there is no such program{}", within(.path))]
    NotFound {
        /// What was looked for.
        program: PathBuf,
        /// The search path, if a name was searched for.
        path: Option<String>,
    },
    /// The operating system refused for a reason that is not the job's: processes, memory or
    /// descriptors have run out.
    #[error("cannot start {program:?}: cannot {what}")]
    Os {
        /// What was to be started.
        program: PathBuf,
        /// What was tried, as a verb.
        what: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

impl SpawnError {
    /// What kind of reason it is, for whoever asked over a socket.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Cwd { .. } => Class::Directory,
            Self::NotExecutable { .. } => Class::NotExecutable,
            Self::NotFound { .. } => Class::NotFound,
            Self::Os { source, .. } => match source.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => Class::Busy,
                io::ErrorKind::ArgumentListTooLong => Class::TooLarge,
                _ => Class::Internal,
            },
        }
    }

    /// The system's own number, if it gave one.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::NotFound { .. } => Some(Errno::NOENT.raw_os_error()),
            Self::Cwd { source, .. } | Self::NotExecutable { source, .. } | Self::Os { source, .. } => {
                source.raw_os_error()
            }
        }
    }

    pub(crate) fn os(job: &Job, what: &'static str, source: impl Into<io::Error>) -> Self {
        Self::Os { program: job.program.clone(), what, source: source.into() }
    }

    pub(crate) fn cwd(job: &Job, errno: Errno) -> Self {
        let cwd = job.cwd.clone().unwrap_or_else(|| PathBuf::from("."));
        Self::Cwd { program: job.program.clone(), cwd, source: errno.into() }
    }

    /// Tells apart what `execve` lumps together. The working directory is open by then, so it is
    /// never the reason.
    pub(crate) fn exec(job: &Job, errno: Errno) -> Self {
        let source = io::Error::from(errno);
        let file = job.cwd.as_deref().map_or_else(|| job.program.clone(), |cwd| cwd.join(&job.program));
        let program = job.program.clone();
        let why = match errno {
            Errno::NOENT | Errno::NOTDIR if file.symlink_metadata().is_err() => {
                return Self::NotFound { program, path: None };
            }
            Errno::NOENT => "the interpreter or loader that it names is missing",
            Errno::ACCESS if file.is_dir() => "it is a directory",
            Errno::ACCESS => "it may not be executed",
            Errno::NOEXEC | Errno::LIBBAD => "it is not a program for this machine, nor a script that begins with #!",
            Errno::TXTBSY => "it is being written",
            _ => return Self::os(job, "run it", source),
        };
        Self::NotExecutable { program, why, source }
    }
}

fn within(path: &Option<String>) -> String {
    path.as_ref().map_or_else(String::new, |path| format!(" in {path:?}"))
}
