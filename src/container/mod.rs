//! How a container is made: the driver's side of the agent.
//!
//! A driver starts containers and gives their ends; it knows no format. [`process`] runs a function
//! as a child process.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use hotfn_protocols::{Ends, Exit};

pub mod process;

/// A boxed future: drivers are an open set, held as objects.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What to start.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The container's name, unique on this node.
    pub id: String,
    /// The function's image, whole: `process:PATH ARG…`.
    pub image: String,
    /// Where it starts, for drivers that share our file system.
    pub dir: Option<PathBuf>,
    /// Its whole environment, in order; a later one of the same name wins.
    pub env: Vec<(String, String)>,
    /// The host's path of its iofs directory, for formats that have a socket.
    pub iofs: Option<PathBuf>,
    /// Are its standard input and output the format's? If not, what it prints is log.
    pub pipes: bool,
    /// Its memory, in MB, for drivers that can hold it to that.
    pub memory_mb: u64,
    /// Most connections to its socket at once, for drivers that limit open files.
    pub connections_max: u32,
}

/// A line a container wrote that is not part of an answer.
pub type LogLine = Arc<dyn Fn(Stdio, &[u8]) -> Heard + Send + Sync>;

/// What became of a line of log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Heard {
    /// Nobody will read it, nor what follows in the same call: it is beyond the bound.
    Dropped,
    /// It is in the log.
    Kept,
}

/// Where a line of log came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stdio {
    /// Standard error.
    Err,
    /// Standard output.
    Out,
}

/// Starts containers.
pub trait Driver: Send + Sync + fmt::Debug {
    /// Starts one. Its lines of log go to `log` as they come, for as long as it lives, and make it
    /// wait only once they are [dropped](Heard::Dropped).
    fn start(&self, spec: Spec, log: LogLine) -> Doing<'_, Result<Box<dyn Container>, DriverError>>;
}

/// A container that was started.
pub trait Container: Send + Sync + fmt::Debug {
    /// Its standard input and output, once, for formats that talk over them.
    fn pipes(&self) -> Option<Ends>;

    /// How it ends. May be asked by many, and late.
    fn exit(&self) -> Doing<'static, Exit>;

    /// Stops it from running, without its notice.
    fn freeze(&self) -> Doing<'_, Result<(), DriverError>>;

    /// Lets it run again.
    fn thaw(&self) -> Doing<'_, Result<(), DriverError>>;

    /// Ends it: asks first (TERM), waits for `grace`, then insists (KILL). When this resolves
    /// nothing of it runs any more. A frozen one is woken to hear the question.
    fn end(&self, grace: std::time::Duration) -> Doing<'_, ()>;
}

/// Why a driver could not do its part.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The image is not one that this driver can start.
    #[error("image {image:?} {why}")]
    Image {
        /// The image.
        image: String,
        /// What is the matter with it.
        why: String,
    },
    /// The operating system refused.
    #[error("{what}")]
    Os {
        /// What was tried.
        what: String,
        /// Its answer.
        #[source]
        source: std::io::Error,
    },
}
