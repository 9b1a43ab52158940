//! The body on stdin, the answer on stdout, one process a call.
//!
//! The oldest format and the simplest to serve: any program is a function. What else there is to
//! know of a call is in the environment the process was started with ([`environment`]); what there
//! is to say of an answer beyond its bytes cannot be said. Its status is 200 if the process exits
//! with 0, its type is JSON if it begins with `{` and otherwise what its first bytes look like.
//!
//! The bytes come before the exit, and the exit decides. So the first
//! [`Limits::hold_bytes_max`] are held until it is known, and a process that fails within them is an
//! error that names its exit code. A longer answer streams: its caller has read 200 by the time the
//! process fails, and all that is left is to cut it short. Either way the container is gone after
//! one call.
//!
//! Input is fed while output is read, so that neither waits for the other for ever. A program may
//! answer without reading, or read only as much as it likes: whoever writes to `head -1` is used to
//! that, and a closed input is no fault here.

use std::sync::OnceLock;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, header};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

pub use self::environment::{arrival, env};
use crate::stdio::alongside;
use crate::{
    Body, BodyError, Call, ContainerIo, Exit, Exiting, Fault, Head, Kind, Limits, ReplySink, Reuse, Stdin, Stdout,
    Verdict, sniff,
};

pub mod environment;
#[cfg(test)]
mod tests;

/// The name of this format.
pub const NAME: &str = "default";

/// How much is read at once.
const READ_BYTES: usize = 16 << 10;

/// The agent's end.
#[derive(Debug)]
pub struct Default {
    /// Gone with the one call.
    ends: Option<Ends>,
    limits: Limits,
}

#[derive(Debug)]
struct Ends {
    stdin: Box<dyn Stdin>,
    stdout: Box<dyn Stdout>,
    exit: Exiting,
}

impl Default {
    /// Takes a container's ends.
    #[must_use]
    pub fn new(stdin: Box<dyn Stdin>, stdout: Box<dyn Stdout>, exit: Exiting, limits: Limits) -> Self {
        Self { ends: Some(Ends { stdin, stdout, exit }), limits }
    }
}

impl ContainerIo for Default {
    fn is_streamable(&self) -> bool {
        false
    }

    /// Clean as long as it is new. What it prints before it has read anything is its answer.
    fn look(&mut self) -> Reuse {
        if self.ends.is_some() { Reuse::Keep } else { Reuse::Retire }
    }

    async fn dispatch(&mut self, call: &mut Call, mut sink: ReplySink) -> Verdict {
        let Some(Ends { stdin, mut stdout, exit }) = self.ends.take() else {
            return Verdict::failed(Fault::new(Kind::Internal).because("a cold container had its call"), Reuse::Retire);
        };
        let reached = OnceLock::new();
        let fed = feed(std::mem::take(&mut call.body), stdin, self.limits.request_bytes_max, &reached);
        let answer = answer(&mut *stdout, exit, &self.limits, &mut sink, &reached);
        // Both end with the fault that ends the call.
        let fault = match alongside(fed, answer).await {
            Ok(Ok(())) => None,
            Ok(Err(fault)) | Err(fault) => Some(fault),
        };
        match &fault {
            None => sink.finish(),
            Some(fault) => sink.cut(BodyError::Cut(fault.to_string().into())),
        }
        Verdict { fault, reuse: Reuse::Retire, unread: false }
    }
}

/// Gives the function its input and the end of it. Says when the first bytes are with it.
async fn feed(
    mut body: Body,
    mut stdin: Box<dyn Stdin>,
    bytes_max: Option<u64>,
    reached: &OnceLock<Instant>,
) -> Result<(), Fault> {
    let mut bytes = 0;
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(BodyError::into_call_fault)?;
        bytes += piece.len() as u64;
        if let Some(max) = bytes_max
            && bytes > max
        {
            return Err(BodyError::TooLarge { max }.into_call_fault());
        }
        if stdin.write_all(&piece).await.is_err() {
            // It reads no more. That is its right, and the rest is read by nobody.
            return Ok(());
        }
        reached.get_or_init(Instant::now);
    }
    reached.get_or_init(Instant::now);
    // Dropping a pipe closes it; other writers may have something to flush first.
    let _ = stdin.shutdown().await;
    Ok(())
}

/// Reads the answer to its end, and learns from the exit whether it is one.
async fn answer(
    stdout: &mut dyn Stdout,
    exit: Exiting,
    limits: &Limits,
    sink: &mut ReplySink,
    reached: &OnceLock<Instant>,
) -> Result<(), Fault> {
    let response_bytes_max = limits.response_bytes_max.unwrap_or(u64::MAX);
    let (mut held, mut whole) = (BytesMut::new(), false);
    while !whole && held.len() <= limits.hold_bytes_max {
        whole = read(stdout, &mut held).await? == 0;
        if let Some(at) = reached.get() {
            sink.reached(*at);
        }
        if held.len() as u64 > response_bytes_max {
            return Err(too_large(response_bytes_max));
        }
    }
    if whole {
        verify(exit.0.await)?;
        sink.head(head(&held), Some(held.len() as u64));
        return give(sink, held.freeze()).await;
    }
    sink.head(head(&held), None);
    let mut bytes = held.len() as u64;
    while !held.is_empty() {
        give(sink, held.split().freeze()).await?;
        bytes += read(stdout, &mut held).await? as u64;
        if bytes > response_bytes_max {
            return Err(too_large(response_bytes_max));
        }
    }
    verify(exit.0.await)
}

async fn read(stdout: &mut dyn Stdout, into: &mut BytesMut) -> Result<usize, Fault> {
    into.reserve(READ_BYTES);
    stdout
        .read_buf(into)
        .await
        .map_err(|e| Fault::new(Kind::Receiving).because("its output cannot be read").caused_by(e))
}

async fn give(sink: &mut ReplySink, piece: Bytes) -> Result<(), Fault> {
    sink.send(piece).await.map_err(|_| Fault::new(Kind::CallerLeft))
}

fn head(beginning: &[u8]) -> Head {
    let content_type = match beginning.first() {
        Some(b'{') => "application/json; charset=utf-8",
        _ => sniff::content_type(beginning),
    };
    let mut head = Head::default();
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    head
}

fn verify(exit: Exit) -> Result<(), Fault> {
    match exit {
        Exit::Code(0) => Ok(()),
        // What a shell, or a container's runtime, makes of a process that was killed: by custom
        // for its memory, since whoever else kills it does not wait for its answer.
        Exit::Code(137) | Exit::OutOfMemory => Err(Fault::new(Kind::OutOfMemory).because(exit.to_string())),
        Exit::Code(_) | Exit::Signal(_) => Err(Fault::new(Kind::Exited).because(exit.to_string())),
    }
}

fn too_large(max: u64) -> Fault {
    Fault::new(Kind::ResponseTooLarge).because(format!("{max} bytes are allowed"))
}
