//! What went wrong with one event, and what is said about it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::{Value as Tree, json};

use hotfn_protocols::Fault;

use super::codec::{Undecodable, Unencodable};
use super::stage::FrameError;

/// Most bytes of what could not be followed that are shown.
const SAMPLE_BYTES_MAX: usize = 1024;

/// What went wrong with one event.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// Where it went wrong.
    pub kind: Kind,
    /// What happened, for a person.
    pub what: String,
    /// Whose fault it was and its code, where a call failed.
    pub fault: Option<(&'static str, &'static str)>,
    /// Beginning of the bytes that it is about.
    pub sample: Bytes,
    /// The connection cannot go on: nobody knows where the next frame begins.
    pub is_fatal: bool,
}

/// Where an event went wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A frame says nothing in its codec.
    Decode,
    /// The call failed.
    Fault,
    /// Bytes are no frame.
    Frame,
    /// Something could not be sent.
    Write,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Decode, Self::Fault, Self::Frame, Self::Write];

    /// The word for it in records, logs and counts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Fault => "fault",
            Self::Frame => "frame",
            Self::Write => "write",
        }
    }
}

impl Trouble {
    pub(super) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), fault: None, sample: Bytes::new(), is_fatal: false }
    }

    pub(super) fn with_sample(self, of: &Bytes) -> Self {
        Self { sample: of.slice(..of.len().min(SAMPLE_BYTES_MAX)), ..self }
    }

    pub(super) fn of_fault(fault: &Fault) -> Self {
        let told = Some((fault.kind().code(), fault.blame().as_str()));
        Self { fault: told, ..Self::new(Kind::Fault, fault.to_string()) }
    }

    /// A reply that can be delivered to nobody.
    pub(super) fn undeliverable(peer: &str) -> Self {
        Self::new(Kind::Write, format!("reply_undeliverable: there is no connection {peer}"))
    }

    /// What a peer, a function or a file is told of it: a record with the connector's name and the
    /// connection's number, and which event it was.
    #[must_use]
    pub fn to_record(&self, connector: &str, peer: u64, seq: u64) -> Tree {
        let mut record = json!({
            "error": self.what,
            "source": connector,
            "stream_id": peer,
            "pull_id": seq,
            "kind": self.kind.as_str(),
            "peer": peer,
        });
        if let Some((code, blame)) = self.fault {
            record["code"] = code.into();
            record["blame"] = blame.into();
        }
        if !self.sample.is_empty() {
            record["data"] = BASE64_STANDARD.encode(&self.sample).into();
        }
        record
    }
}

impl From<FrameError> for Trouble {
    fn from(e: FrameError) -> Self {
        Self { is_fatal: e.is_fatal(), ..Self::new(Kind::Frame, e.to_string()) }
    }
}

impl From<Undecodable> for Trouble {
    fn from(e: Undecodable) -> Self {
        Self::new(Kind::Decode, e.to_string())
    }
}

impl From<Unencodable> for Trouble {
    fn from(e: Unencodable) -> Self {
        Self::new(Kind::Write, e.to_string())
    }
}
