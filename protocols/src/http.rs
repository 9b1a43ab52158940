//! HTTP over stdio.

use crate::{Call, ContainerIo, Exiting, Fault, Kind, Limits, ReplySink, Reuse, Stdin, Stdout, Verdict};

/// The name of this format.
pub const NAME: &str = "http";

/// The agent's end.
#[derive(Debug)]
pub struct Http {
    stdin: Box<dyn Stdin>,
    stdout: Box<dyn Stdout>,
    exit: Exiting,
    limits: Limits,
}

impl Http {
    /// Takes a container's ends.
    #[must_use]
    pub fn new(stdin: Box<dyn Stdin>, stdout: Box<dyn Stdout>, exit: Exiting, limits: Limits) -> Self {
        Self { stdin, stdout, exit, limits }
    }
}

impl ContainerIo for Http {
    fn is_streamable(&self) -> bool {
        true
    }

    fn look(&mut self) -> Reuse {
        Reuse::Keep
    }

    async fn dispatch(&mut self, _call: Call, _sink: ReplySink) -> Verdict {
        Verdict::failed(Fault::new(Kind::Internal), Reuse::Retire)
    }
}
