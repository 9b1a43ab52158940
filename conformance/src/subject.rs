//! What is tested, and how thoroughly.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use hotfn_protocols::Format;

/// A function, as a platform would start it.
#[derive(Clone, Debug)]
pub struct Function {
    /// What is started.
    pub program: Program,
    /// What `FN_FORMAT` will say.
    pub format: Format,
}

/// What a function is made of.
#[derive(Clone, Debug)]
pub enum Program {
    /// A program of this machine, and its arguments.
    Command(Vec<OsString>),
    /// An image that Docker has or can fetch. Its containers are bound as a platform's are.
    Image(String),
}

/// As a report names it.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(words) => f.write_str(&joined(words)),
            Self::Image(image) => f.write_str(image),
        }
    }
}

fn joined(words: &[OsString]) -> String {
    words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// An agent, and the server around it.
#[derive(Clone, Debug)]
pub struct Agent {
    /// The one that runs, or how to start those that the cases need.
    pub place: Place,
    /// What its functions are made of.
    pub witness: Witness,
}

/// Where the agent has the function that the cases call: something that runs [`witness`](crate::witness).
#[derive(Clone, Debug)]
pub enum Witness {
    /// An image that it can start. Cases about images are left out.
    Image(String),
    /// A program that needs no library: the harness makes an image of it, and serves that from a registry
    /// of its own on the loopback.
    Program(PathBuf),
}

/// Where an agent is.
#[derive(Clone, Debug)]
pub enum Place {
    /// Nowhere yet: the harness starts agents, with settings as a case needs them.
    Command(Command),
    /// Where it serves calls and the v2 API. Cases that need settings of their own are left out.
    There(SocketAddr),
}

/// How to start an agent.
///
/// It is told where to listen by `FN_PORT`, and by `{address}` in its arguments, for which the harness puts
/// an address of the loopback. All other settings it is told by Fn's variables.
#[derive(Clone)]
pub struct Command {
    pub(crate) words: Vec<OsString>,
    pub(crate) reached_at: Arc<dyn Fn(SocketAddr) -> SocketAddr + Send + Sync>,
}

/// As a report names it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => f.write_str(&joined(&command.words)),
            Self::There(address) => write!(f, "http://{address}"),
        }
    }
}

impl Command {
    /// This program with these arguments, and nothing in front of it.
    #[must_use]
    pub fn of(words: Vec<OsString>) -> Self {
        Self { words, reached_at: Arc::new(|listens_at| listens_at) }
    }

    /// With something in front of each agent, which is asked where that is reached.
    #[must_use]
    pub fn reached_at(self, door: impl Fn(SocketAddr) -> SocketAddr + Send + Sync + 'static) -> Self {
        Self { reached_at: Arc::new(door), ..self }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").field("words", &self.words).finish_non_exhaustive()
    }
}

/// How long the cases take that wait for nothing to happen.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Profile {
    /// As long as the contract says: connections idle for 150 s. About three minutes.
    Full,
    /// Idle for 15 s, which most of those find that would fail; the default. Under a minute.
    #[default]
    Quick,
}

/// It is neither `quick` nor `full`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown profile {0:?}; it is quick or full")]
pub struct UnknownProfile(String);

impl Profile {
    /// How long a connection is left idle, and a process stopped.
    pub(crate) fn idle(self) -> Duration {
        match self {
            Self::Full => Duration::from_secs(150),
            Self::Quick => Duration::from_secs(15),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Full => "full",
            Self::Quick => "quick",
        })
    }
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, UnknownProfile> {
        match name {
            "full" => Ok(Self::Full),
            "quick" => Ok(Self::Quick),
            other => Err(UnknownProfile(other.to_owned())),
        }
    }
}
