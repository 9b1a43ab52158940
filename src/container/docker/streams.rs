//! A container's output, as it comes from the engine: lines of log, and what belongs to the format.
//!
//! One task a container reads both streams, since they come in one. What is the format's goes into a
//! pipe that holds one turn; when nobody takes it the function's standard error waits with it, as long
//! as the engine holds nothing for us either. During a call the pipe is read, and after it nothing is
//! due there. Behind what nobody takes the end of the streams cannot be seen, and whoever reads them is
//! told of the container's otherwise.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use hotfn_protocols::Stdout;
use tokio::io::{AsyncRead, AsyncWriteExt, DuplexStream, ReadBuf};

use super::frames::{Frames, Unframed};
use super::wire::{Reader, Wire, Writer};
use crate::container::lines::{self, Lines, TURN_BYTES};
use crate::container::{Heard, LogLine, Stdio};

/// How long what is the format's may lie before it counts as stuck. Who reads an answer slowly is given longer
/// than a turn takes him; who asks for the end of a container that nobody calls learns of it so much later.
const TAKEN_WITHIN: Duration = Duration::from_millis(500);

/// A container's streams.
pub(super) struct Streams {
    reader: Reader,
    /// What came with the engine's answer.
    begun: Bytes,
    frames: Frames,
    out: Out,
    err: Lines,
    log: LogLine,
    /// A container without an input of ours: to close this would be to leave.
    _unused: Option<Writer>,
}

/// Where standard output goes.
enum Out {
    /// To the format, for as long as it listens.
    Format(DuplexStream),
    /// Line by line to the log.
    Log(Lines),
}

impl Streams {
    /// All that the container prints is log.
    pub(super) fn of_log(wire: Wire, begun: Bytes, log: LogLine) -> Self {
        let (reader, writer) = wire.split();
        let (frames, err) = <_>::default();
        Self { reader, begun, frames, out: Out::Log(Lines::default()), err, log, _unused: Some(writer) }
    }

    /// Standard input and output are the format's.
    pub(super) fn of_format(wire: Wire, begun: Bytes, log: LogLine) -> (Self, Writer, Answers) {
        let (reader, writer) = wire.split();
        let (answers, out) = tokio::io::duplex(TURN_BYTES);
        let (frames, err) = <_>::default();
        let streams = Self { reader, begun, frames, out: Out::Format(out), err, log, _unused: None };
        (streams, writer, Answers(answers))
    }

    /// Reads until the container has closed both, as it does when it ends. When nobody takes what it wrote it
    /// does what `stuck` says, which resolves when the container has ended.
    pub(super) async fn follow<F: Future<Output = ()>>(mut self, stuck: impl Fn() -> F) {
        let mut turn = Some(Vec::from(std::mem::take(&mut self.begun)));
        while let Some(bytes) = turn {
            match self.feed(&bytes, &stuck).await {
                Ok(heard) => lines::rest(heard).await,
                Err(e) => {
                    tracing::warn!("what a container prints is lost: {e}");
                    break;
                }
            }
            drop(bytes);
            turn = self.turn().await;
        }
        let log = self.log;
        self.err.end(|line| log(Stdio::Err, line));
        if let Out::Log(lines) = self.out {
            lines.end(|line| log(Stdio::Out, line));
        }
    }

    /// What has come, once something has; `None` at the end.
    async fn turn(&self) -> Option<Vec<u8>> {
        loop {
            self.reader.readable().await.ok()?;
            // Most containers are silent most of the time: there is a buffer only while one speaks.
            let mut turn = Vec::with_capacity(TURN_BYTES);
            match self.reader.read_now(&mut turn) {
                Ok(0) => return None,
                Ok(_) => return Some(turn),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
    }

    async fn feed<F: Future<Output = ()>>(&mut self, turn: &[u8], stuck: impl Fn() -> F) -> Result<Heard, Unframed> {
        let Self { frames, out, err, log, .. } = self;
        let (mut answer, mut dropped) = (Vec::new(), false);
        frames.feed(turn, |stdio, bytes| {
            let lines = match (stdio, &mut *out) {
                (Stdio::Err, _) => &mut *err,
                (Stdio::Out, Out::Log(lines)) => lines,
                (Stdio::Out, Out::Format(_)) => return answer.extend_from_slice(bytes),
            };
            dropped |= lines.feed(bytes, |line| log(stdio, line)) == Heard::Dropped;
        })?;
        if let Out::Format(format) = out {
            // If nobody listens any more the container is on its way out, and nothing is missed.
            let mut taken = pin!(format.write_all(&answer));
            if tokio::time::timeout(TAKEN_WITHIN, &mut taken).await.is_err() {
                tokio::select! {
                    biased;
                    _ = &mut taken => {}
                    () = stuck() => drop(taken.await),
                }
            }
        }
        Ok(if dropped { Heard::Dropped } else { Heard::Kept })
    }
}

/// What a function writes to the format.
#[derive(Debug)]
pub(super) struct Answers(DuplexStream);

impl AsyncRead for Answers {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl Stdout for Answers {
    fn read_now(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(buf);
        // Whoever waits after this asks anew.
        match Pin::new(&mut self.0).poll_read(&mut Context::from_waker(Waker::noop()), &mut buf) {
            Poll::Ready(read) => read.map(|()| buf.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}
