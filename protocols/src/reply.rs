//! What a function answered.

use std::time::Duration;

use http::StatusCode;

use crate::{Body, Headers};

/// Status and headers of an answer: what is known before its body.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Head {
    /// What the caller sees: the function's choice where format and intent leave it one, else 200.
    pub status: StatusCode,
    /// Hop-by-hop headers are gone, and so are those that belong to the platform.
    pub headers: Headers,
}

/// What a function answered, on its way to the caller.
#[derive(Debug, Default)]
pub struct Reply {
    /// Status and headers.
    pub head: Head,
    /// The answer's bytes. If it fails half way the answer must be cut, never ended as if whole.
    pub body: Body,
    /// Where the time went until the head was there.
    pub timing: Timing,
}

/// Where a call's time went, step by step. A step that did not happen is `None`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Timing {
    /// Waiting for a slot, a launch included.
    pub queue: Option<Duration>,
    /// The part of the wait in which a container was started for this very call.
    pub launch: Option<Duration>,
    /// Waking a frozen container.
    pub thaw: Option<Duration>,
    /// Reaching the function: dialling and writing the request's first bytes.
    pub dispatch: Option<Duration>,
    /// The function at work, until its answer's head was there.
    pub function: Option<Duration>,
}

impl Timing {
    /// The steps that happened, in the order a call walks them, each with its name.
    pub fn steps(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        [
            ("queue", self.queue),
            ("launch", self.launch),
            ("thaw", self.thaw),
            ("dispatch", self.dispatch),
            ("function", self.function),
        ]
        .into_iter()
        .filter_map(|(name, step)| Some((name, step?)))
    }
}
