//! The reading half of a served connection, and who reads it.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::Version;
use http::header::EXPECT;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Refused;
use crate::BodyError;
use crate::http1::{Event, Inbox, Invalid, Length, Limits, Lines, Part, RequestDecoder, RequestHead, encode};
use crate::waiter::Waiter;

/// Most bytes of a body nobody wants that are read away, so that the connection can be used again.
const LEFT_BYTES_MAX: u64 = 256 << 10;

/// Most bytes that are read away while a connection ends.
const END_BYTES_MAX: u64 = 1 << 20;

/// In so many bytes the end of a body in chunks is looked for before anybody reads it.
const TRIED_BYTES_MAX: usize = 8 << 10;

/// What a peer waits for that asked whether it should send its body at all.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A stream and what was read of it.
#[derive(Debug)]
pub(super) struct Wire<S> {
    /// `None` once the connection ended on this side.
    stream: Option<S>,
    inbox: Inbox,
    requests: RequestDecoder,
    reading: Reading,
    /// Does the stream outlive whatever a request says of its connection?
    is_endless: bool,
    /// What is still to be written of `100 Continue`.
    interim: &'static [u8],
    /// How much was read away since this side said its last; `None` before.
    ending: Option<u64>,
    /// Who waits for bytes of a body.
    reader: Waiter,
    /// Who waits for the end of that reader.
    waiting: Waiter,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug)]
enum Reading {
    /// To a head, and whoever serves the connection reads it.
    Head,
    /// To a body that somebody holds and reads.
    Held,
    /// To a body that nobody wants. So much of it may still come to be read away.
    Left(u64),
    /// To nothing: the stream ended, failed, or cannot be understood.
    Over,
}

impl<S> Wire<S> {
    /// Closes the stream, whoever still holds a body.
    pub(super) fn hang_up(&mut self) {
        self.stream = None;
        self.over();
        self.reader.wake();
    }

    /// The body's holder is gone.
    pub(super) fn let_go(&mut self, length: Option<u64>) {
        if matches!(self.reading, Reading::Held) {
            // Of a length that is known to be too much, nothing is read in vain; and who was not
            // asked for a body may well not send it.
            let is_hopeless = length.is_some_and(|length| length > LEFT_BYTES_MAX) || !self.interim.is_empty();
            self.reading = Reading::Left(match is_hopeless {
                _ if self.is_endless => u64::MAX,
                true => 0,
                false => LEFT_BYTES_MAX,
            });
            self.waiting.wake();
        }
    }

    fn over(&mut self) {
        self.reading = Reading::Over;
        self.waiting.wake();
    }
}

impl<S> Wire<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    pub(super) fn new(stream: S, limits: Limits, is_endless: bool) -> Self {
        Self {
            stream: Some(stream),
            inbox: Inbox::new(),
            requests: RequestDecoder::new(limits),
            reading: Reading::Head,
            is_endless,
            interim: b"",
            ending: None,
            reader: Waiter::default(),
            waiting: Waiter::default(),
        }
    }

    /// The stream, to be written to; `None` once it was closed.
    pub(super) fn stream(&mut self) -> Option<&mut S> {
        self.stream.as_mut()
    }

    /// Does the stream outlive whatever a request says of its connection?
    pub(super) fn is_endless(&self) -> bool {
        self.is_endless
    }

    /// Was anything read that was not understood yet?
    pub(super) fn has_bytes(&self) -> bool {
        !self.inbox.is_empty()
    }

    pub(super) fn recycle(&mut self, lines: Lines) {
        self.requests.recycle(lines);
    }

    /// The next head; `None` where the stream ends and may.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<RequestHead, Refused>>> {
        loop {
            match self.requests.decode(self.inbox.bytes()) {
                Ok(Some(Event::Head(head))) => return Poll::Ready(Some(Ok(head))),
                Ok(Some(_)) => unreachable!("the body before was read to its end"),
                Ok(None) => {}
                Err(e) => {
                    self.over();
                    return Poll::Ready(Some(Err(e.into())));
                }
            }
            let end = match ready!(self.poll_read(cx)) {
                Ok(0) => self.requests.end(self.inbox.bytes()).err().map(Refused::from),
                Ok(_) => continue,
                Err(e) => Some(Refused::Lost(e)),
            };
            self.over();
            return Poll::Ready(end.map(Err));
        }
    }

    /// Takes the body whose head was read just now, if it is wholly here.
    pub(super) fn begin_body(&mut self, head: &RequestHead) -> Option<Bytes> {
        let whole = match head.length {
            Length::Exact(bytes) => (bytes <= self.inbox.bytes().len() as u64).then(|| self.whole_piece()),
            Length::Chunked => self.whole_chunks(),
            Length::UntilClose => None,
        };
        if whole.is_some() {
            self.reading = Reading::Head;
            return whole;
        }
        self.reading = Reading::Held;
        let asks = !self.is_endless
            && self.inbox.is_empty()
            && head.version == Version::HTTP_11
            && head.lines.first(&EXPECT).is_some_and(|said| said.eq_ignore_ascii_case(b"100-continue"));
        self.interim = if asks { CONTINUE } else { b"" };
        None
    }

    fn whole_piece(&mut self) -> Bytes {
        let mut whole = Bytes::new();
        while let Ok(Some(Event::Data(data))) = self.requests.decode(self.inbox.bytes()) {
            whole = data;
        }
        whole
    }

    /// A short body in chunks, if its end is here. Tried on a copy: only the whole is of use.
    fn whole_chunks(&mut self) -> Option<Bytes> {
        let buffer = self.inbox.bytes();
        if buffer.len() > TRIED_BYTES_MAX || !buffer.ends_with(encode::LAST_CHUNK) {
            return None;
        }
        let (mut requests, mut copy, mut whole) = (self.requests.trial(), buffer.clone(), BytesMut::new());
        loop {
            match requests.decode(&mut copy) {
                Ok(Some(Event::Data(data))) => whole.extend_from_slice(&data),
                Ok(Some(Event::End)) => break,
                Ok(None | Some(Event::Head(_))) | Err(_) => return None,
            }
        }
        self.requests.follow(requests);
        *self.inbox.bytes() = copy;
        Some(whole.freeze())
    }

    /// The next piece of the body, for its holder; `None` at its end.
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        match self.reading {
            Reading::Head => return Poll::Ready(None),
            Reading::Held => {}
            Reading::Left(_) | Reading::Over => {
                return Poll::Ready(Some(Err(BodyError::Cut("connection of the request ended".into()))));
            }
        }
        let polled = match self.poll_interim(cx) {
            Poll::Ready(Ok(())) => self.poll_piece(cx),
            Poll::Ready(Err(e)) => Poll::Ready(Some(Err(cut(e)))),
            Poll::Pending => Poll::Pending,
        };
        if polled.is_pending() {
            self.reader.register(cx);
        }
        polled
    }

    /// Reads away what is left of a body that nobody wants: true when the next head can follow.
    pub(super) fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            match self.reading {
                Reading::Head => return Poll::Ready(true),
                Reading::Held => {
                    self.waiting.register(cx);
                    return Poll::Pending;
                }
                Reading::Left(0) | Reading::Over => return Poll::Ready(false),
                Reading::Left(bytes) => {
                    if let Some(Ok(piece)) = ready!(self.poll_piece(cx)) {
                        self.reading = Reading::Left(bytes.saturating_sub(piece.len() as u64));
                    }
                }
            }
        }
    }

    /// Waits for the peer's end, as far as that can be seen without reading the next request.
    pub(super) fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !ready!(self.poll_rest(cx)) {
            return if matches!(self.reading, Reading::Over) { Poll::Ready(()) } else { Poll::Pending };
        }
        if self.has_bytes() {
            return Poll::Pending;
        }
        match ready!(self.poll_read(cx)) {
            Ok(0) | Err(_) => {
                self.over();
                Poll::Ready(())
            }
            Ok(_) => Poll::Pending,
        }
    }

    /// An answer begins: what must be written before it, for it was begun, and whether another
    /// request can follow, as far as the body of this one tells.
    pub(super) fn begin_answer(&mut self) -> (&'static [u8], bool) {
        let interim = std::mem::take(&mut self.interim);
        let may_follow = match self.reading {
            Reading::Head => true,
            // Who was never asked for a body may send it, or not: the next byte could be either's.
            Reading::Held => interim.len() != CONTINUE.len(),
            Reading::Left(bytes) => bytes > 0,
            Reading::Over => false,
        };
        (if interim.len() == CONTINUE.len() { b"" } else { interim }, may_follow)
    }

    /// Says that no more will come from here, and reads away what does from there.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let ending = match self.ending {
            Some(bytes) => bytes,
            None => {
                self.over();
                self.reader.wake();
                if let Some(stream) = &mut self.stream
                    && ready!(Pin::new(stream).poll_shutdown(cx)).is_err()
                {
                    return Poll::Ready(());
                }
                0
            }
        };
        self.ending = Some(ending);
        while let Some(read) = self.ending.filter(|read| *read < END_BYTES_MAX) {
            self.inbox.bytes().clear();
            match ready!(self.poll_read(cx)) {
                Ok(0) | Err(_) => break,
                Ok(more) => self.ending = Some(read + more as u64),
            }
        }
        Poll::Ready(())
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            match self.requests.decode(self.inbox.bytes()) {
                Ok(Some(Event::Data(piece))) => return Poll::Ready(Some(Ok(piece))),
                Ok(Some(_)) => {
                    self.reading = Reading::Head;
                    self.inbox.shrink();
                    self.waiting.wake();
                    return Poll::Ready(None);
                }
                Ok(None) => {}
                Err(e) => {
                    self.over();
                    return Poll::Ready(Some(Err(cut(e))));
                }
            }
            let end = match ready!(self.poll_read(cx)) {
                Ok(0) => cut(Invalid::Cut(Part::Body)),
                Ok(_) => continue,
                Err(e) => cut(e),
            };
            self.over();
            return Poll::Ready(Some(Err(end)));
        }
    }

    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.interim.is_empty() {
            let Some(stream) = &mut self.stream else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
            match ready!(Pin::new(&mut *stream).poll_write(cx, self.interim))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.interim = &self.interim[written..],
            }
            if self.interim.is_empty() {
                // The peer waits for it. What an encrypted stream keeps back here goes out with the answer.
                let _ = Pin::new(stream).poll_flush(cx)?;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Some(stream) => self.inbox.poll_read(stream, cx),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

fn cut(why: impl Into<Box<dyn Error + Send + Sync>>) -> BodyError {
    BodyError::Cut(why.into())
}
