//! Why a socket could not be had.

use std::io;
use std::path::PathBuf;

/// Why a path could not be claimed or announced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// Somebody listens there, or is about to.
    #[error("{path:?} is in use{}; stop its owner or choose another path", by(*.pid))]
    InUse {
        /// The path.
        path: PathBuf,
        /// The owner, if it can be seen from here.
        pid: Option<u32>,
    },
    /// What is there is not a socket, so it is not ours to remove.
    #[error("{path:?} exists and is not a socket; remove it or choose another path")]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The path has no last part that could name a socket.
    #[error("{path:?} does not name a file")]
    NotAName {
        /// The path.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {what} {path:?}")]
    Os {
        /// What was tried, as a verb.
        what: &'static str,
        /// What it was tried on.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

fn by(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" by process {pid}"))
}
