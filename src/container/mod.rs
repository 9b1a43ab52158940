//! How a container is made: the driver's side of the agent.
//!
//! A driver gets images ready, makes containers of them, starts these and gives their ends; it knows
//! no format. [`process`] runs a function as a child process, [`oci`] in a container of an OCI runtime's.
//!
//! Making and starting are two steps, because the first is the slow one and can be done ahead. What
//! was made and not started has no process and costs no memory of the function's.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hotfn_protocols::{Ends, Exit};

use crate::metrics::Page;

pub mod cgroup;
#[cfg(feature = "docker")]
pub mod docker;
mod lines;
#[cfg(feature = "oci")]
pub mod oci;
mod pipes;
pub mod process;
pub mod remote;
pub mod sandbox;
mod streams;
pub mod usage;

pub use lines::LINE_BYTES_MAX;

use usage::Usage;

/// A boxed future: drivers are an open set, held as objects.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What to start.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The container's name, unique on this node.
    pub id: String,
    /// The name of the agent it belongs to: what is labelled with it is removed by
    /// [`Driver::sweep`] once that agent is dead.
    pub node: String,
    /// The function's id.
    pub function: String,
    /// The function's image, whole: `process:PATH ARG…`, or what the driver knows by that name.
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
    /// Its share of the CPUs, in thousandths of one, for drivers that can hold it to that; 0: no bound.
    pub cpu_milli: u64,
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

/// What of this host a driver's containers see.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum View {
    /// All of it, as the agent does: the iofs directory under its own path, and the basics of the
    /// agent's environment.
    Host,
    /// The files and the environment of their image, and the iofs directory at this path.
    Image {
        /// Absolute.
        iofs: &'static str,
    },
}

/// Makes containers.
///
/// Whatever a driver's futures have made when they are dropped is removed, in the background where
/// that takes time: callers leave when they like.
pub trait Driver: Send + Sync + fmt::Debug {
    /// The driver's name: `process`, `docker`, `oci`.
    fn name(&self) -> &'static str;

    /// What of this host its containers see.
    fn view(&self) -> View;

    /// Sees to it that an image is here: finds it, or fetches it, once for all who ask at a time.
    fn prepare<'a>(&'a self, image: &'a str) -> Doing<'a, Result<(), DriverError>>;

    /// Makes a container of an image that was [prepared](Self::prepare), without starting it.
    fn create(&self, spec: Spec) -> Doing<'_, Result<Box<dyn Created>, DriverError>>;

    /// Ends and removes all that carries the label of `node`, an agent that is dead, and nobody
    /// else's; answers how many containers that were. Nothing, for a driver whose containers
    /// cannot outlive their agent.
    fn sweep<'a>(&'a self, node: &'a str) -> Doing<'a, Result<usize, DriverError>>;

    /// Tells whoever watches the agent what it counts itself. Default: nothing.
    ///
    /// # Errors
    /// When the page takes no more.
    fn tell(&self, _page: &mut Page<'_>) -> fmt::Result {
        Ok(())
    }

    /// Resolves once nothing is being removed in the background any more. Default: at once, for
    /// drivers that remove nothing there.
    fn settled(&self) -> Doing<'_, ()> {
        Box::pin(async {})
    }
}

/// A container that was made and not started yet. Dropping it removes it.
pub trait Created: Send + Sync + fmt::Debug {
    /// Starts it. Its lines of log go to `log` as they come, for as long as it lives, and make it
    /// wait only once they are [dropped](Heard::Dropped).
    fn start(self: Box<Self>, log: LogLine) -> Doing<'static, Result<Box<dyn Container>, DriverError>>;

    /// Removes it. When this resolves nothing is left of it.
    fn discard(self: Box<Self>) -> Doing<'static, ()>;
}

/// A container that was started.
pub trait Container: Send + Sync + fmt::Debug {
    /// Its standard input and output, once, for formats that talk over them.
    fn pipes(&self) -> Option<Ends>;

    /// How it ends. May be asked by many, and late.
    fn exit(&self) -> Doing<'static, Exit>;

    /// How long after its end [`exit`](Self::exit) may take to resolve, as a rule: so long a fault waits
    /// to learn whether its container has ended. Default 50 ms.
    fn exit_known_within(&self) -> Duration {
        Duration::from_millis(50)
    }

    /// Stops it from running, without its notice.
    fn freeze(&self) -> Doing<'_, Result<(), DriverError>>;

    /// Lets it run again.
    fn thaw(&self) -> Doing<'_, Result<(), DriverError>>;

    /// What it uses of the machine; `None` if that cannot be told. Asked for whoever watches the agent, and
    /// never on the way of a call; dropped when it takes too long. Default: `None`.
    fn usage(&self) -> Doing<'_, Option<Usage>> {
        Box::pin(async { None })
    }

    /// Ends it: asks first (TERM), waits for `grace`, then insists (KILL). When this resolves
    /// nothing of it runs any more and nothing is left of it. A frozen one is woken to hear the
    /// question.
    fn end(&self, grace: Duration) -> Doing<'_, ()>;
}

/// Why a driver could not do its part.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The image is one that this driver was told not to take.
    #[error("image {image:?} {why}")]
    Barred {
        /// The image.
        image: String,
        /// What of it is not taken, and what to do.
        why: String,
    },
    /// The engine or the runtime that a driver works through said no, or says nothing.
    #[error("{what}: {why}")]
    Engine {
        /// What was asked of it.
        what: String,
        /// Its answer.
        why: String,
    },
    /// The image is not one that this driver can start.
    #[error("image {image:?} {why}")]
    Image {
        /// The image.
        image: String,
        /// What is the matter with it.
        why: String,
    },
    /// The image could not be fetched.
    #[error("image {image:?}: {why}")]
    Pull {
        /// The image.
        image: String,
        /// Who refused, and why.
        why: String,
        /// What kind of failure that is.
        failure: PullFailure,
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

/// How fetching an image failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PullFailure {
    /// The registry could not be reached, or broke off.
    Broken,
    /// The registry said no, with this status: 4xx is the caller's or the image's fault.
    Refused(u16),
    /// It took longer than it may.
    TimedOut,
}
