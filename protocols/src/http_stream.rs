//! HTTP over a socket.

use crate::{Call, ContainerIo, Dial, Fault, Kind, Limits, ReplySink, Reuse, Verdict};

/// The name of this format.
pub const NAME: &str = "http-stream";

/// The agent's end.
#[derive(Debug)]
pub struct HttpStream {
    dial: Box<dyn Dial>,
    limits: Limits,
}

impl HttpStream {
    /// Takes the place of a function's socket.
    #[must_use]
    pub fn new(dial: Box<dyn Dial>, limits: Limits) -> Self {
        Self { dial, limits }
    }
}

impl ContainerIo for HttpStream {
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
