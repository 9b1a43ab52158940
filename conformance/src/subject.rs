//! What is tested, and how thoroughly.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use hotfn_protocols::Format;

/// A function's program, as a platform would start it.
#[derive(Clone, Debug)]
pub struct Function {
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// What `FN_FORMAT` will say.
    pub format: Format,
}

/// An agent, and the server around it.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Where it serves calls and the v2 API.
    pub address: SocketAddr,
    /// What its functions are made of: an image that runs [`witness`](crate::witness).
    pub image: String,
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
