//! One request out, one answer in, at the same time and on one task.
//!
//! The thin shell around the codec: read, feed, hand on. Whatever the shell waits for, bytes of
//! the answer or a caller who takes them slowly, the request goes on being written meanwhile, so
//! bodies stream both ways and neither can block the other.
//!
//! What a format makes of a failure is the format's to say; [`Broken`] only says what it was.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::held::Held;
use super::uplink::Uplink;
use super::{Event, Inbox, Invalid, Length, Outbox, ResponseDecoder, ResponseHead, Upload, framing};
use crate::{BodyError, CallerLeft, Fault, Head, Kind, Limits, ReplySink};

/// What every function reads of its socket at a time, if it is there: the least that any HTTP library
/// has as a buffer.
const READ_BYTES_MIN: usize = 4 << 10;

/// Why an exchange did not come to its end.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The answer is larger than its bound.
    AnswerTooLarge { max: u64 },
    /// The request's body failed.
    Call(BodyError),
    /// Nobody waits for the answer any more.
    CallerLeft,
    /// What came is not an answer, or ended within one.
    Invalid(Invalid),
    /// Reading failed.
    Lost(io::Error),
}

impl From<Invalid> for Broken {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<CallerLeft> for Broken {
    fn from(CallerLeft: CallerLeft) -> Self {
        Self::CallerLeft
    }
}

impl Broken {
    /// What the caller is told. `unreadable` is the format's word for an answer that is none.
    pub(crate) fn into_fault(self, unreadable: Kind) -> Fault {
        match self {
            Self::AnswerTooLarge { max } => {
                Fault::new(Kind::ResponseTooLarge).because(format!("it is larger than {max} bytes"))
            }
            Self::Call(e) => e.into_call_fault(),
            Self::CallerLeft => Fault::new(Kind::CallerLeft),
            Self::Invalid(e @ (Invalid::HeadTooLarge { .. } | Invalid::TooManyHeaders { .. })) => {
                Fault::new(Kind::ResponseHeadersTooLarge).because(e.to_string())
            }
            Self::Invalid(e) => {
                let what = if unreadable == Kind::InvalidFrame { "invalid http response: " } else { "" };
                Fault::new(unreadable).because(format!("{what}{e}"))
            }
            Self::Lost(e) => Fault::new(unreadable).because("connection to the function was lost").caused_by(e),
        }
    }
}

/// One request and its answer on a wire.
#[derive(Debug)]
pub(crate) struct Exchange<'a, W> {
    wire: &'a mut W,
    inbox: &'a mut Inbox,
    uplink: Uplink<'a>,
    decoder: &'a mut ResponseDecoder,
    /// Has a byte of the answer come?
    is_heard: bool,
    /// Was the sink told that the call has reached the function?
    is_reached: bool,
    /// Has its last one?
    is_answered: bool,
}

impl<'a, W> Exchange<'a, W>
where
    W: AsyncRead + AsyncWrite + Unpin,
{
    /// Prepares; nothing is written yet. `outbox` holds the encoded head, which announced `length`; `decoder`
    /// waits for the answer.
    pub(crate) fn new(
        wire: &'a mut W,
        inbox: &'a mut Inbox,
        outbox: &'a mut Outbox,
        length: Length,
        upload: &'a mut Upload,
        decoder: &'a mut ResponseDecoder,
    ) -> Self {
        let uplink = Uplink::new(outbox, length, upload);
        Self { wire, inbox, uplink, decoder, is_heard: false, is_reached: false, is_answered: false }
    }

    /// Sends, and waits for the answer's head. The sink is told when the first bytes were written.
    ///
    /// A caller who leaves before the head is given drops this, so nobody is asked.
    pub(crate) async fn head(&mut self, sink: &ReplySink) -> Result<ResponseHead, Broken> {
        loop {
            match self.decoder.decode(self.inbox.bytes())? {
                Some(Event::Head(head)) => return Ok(head),
                Some(Event::Data(_) | Event::End) => unreachable!("an answer begins with its head"),
                None => {
                    self.read(sink).await?;
                }
            }
        }
    }

    /// Hands the answer to the sink: whole, if it is short enough to be held back until it is, else
    /// piece by piece. `head` is the caller's, and taken when it is given; `length` is the wire's.
    ///
    /// On an error before the first piece the sink was given nothing; after it, the answer is cut.
    pub(crate) async fn deliver(
        &mut self,
        head: &mut Head,
        length: Length,
        mut sink: ReplySink,
        limits: &Limits,
    ) -> Result<(), Broken> {
        if framing::is_bodiless(head.status) {
            // The status is the function's choice, and its body nobody's.
            self.read_off()?;
            sink.whole(std::mem::take(head), Bytes::new());
            return Ok(());
        }
        let mut held = Held::new(limits.response_bytes_max, length)?;
        if let Length::Exact(bytes) = length {
            self.inbox.expect(bytes);
        }
        if self.hold(&mut held, length, &sink, limits.hold_bytes_max).await? {
            sink.whole(std::mem::take(head), held.take());
            return Ok(());
        }
        sink.head(std::mem::take(head), length.exact());
        // In a box of its own, so that short answers do not carry the room for it.
        let streamed = Box::pin(self.stream(&mut held, &mut sink)).await;
        match &streamed {
            Ok(()) => sink.finish(),
            Err(Broken::AnswerTooLarge { max }) => sink.cut(BodyError::TooLarge { max: *max }),
            Err(_) => sink.cut(BodyError::Cut("the function's answer broke off".into())),
        }
        streamed
    }

    /// Reads over what has come of the answer's body; true if that was all of it.
    pub(crate) fn read_off(&mut self) -> Result<bool, Invalid> {
        while let Some(event) = self.decoder.decode(self.inbox.bytes())? {
            if event == Event::End {
                self.is_answered = true;
                break;
            }
        }
        Ok(self.is_answered)
    }

    /// Passes over white space that came after the answer.
    pub(crate) fn skip_blank(&mut self) {
        self.inbox.skip_blank();
    }

    /// Are request and answer whole, and nothing came after it? Then another exchange can follow.
    pub(crate) fn is_clean(&self) -> bool {
        self.is_answered && self.uplink.is_whole() && self.inbox.is_empty()
    }

    /// After `broken`, is it sure that the function has read nothing of the request, and is all of it
    /// still here? Then it can be sent once more, on another connection or to another function, since
    /// nobody may have begun to work.
    ///
    /// A function may close an idle connection at any time, also at the very moment we write to it.
    /// On a unix socket the kernel tells the ends of that race apart. When the close came first, the
    /// write fails, and nothing was written. When it came after the write, but before the function
    /// read all of it, our next read fails with `ECONNRESET`. That is not to say that it has read
    /// nothing: of a request that was written in several pieces, or is longer than what is read at a
    /// time, some may have been read. But whoever reads takes as much as [`READ_BYTES_MIN`], if it is
    /// there: of a request that was there at once and is no longer, all was unread. A clean end of file
    /// means that everything was read: the function may have begun to work.
    pub(crate) fn is_unread(&self, broken: &Broken) -> bool {
        if self.is_heard || !self.uplink.is_replayable() {
            return false;
        }
        let is_reset = |e: &io::Error| e.kind() == io::ErrorKind::ConnectionReset;
        let was_reset = self.uplink.failure().is_some_and(is_reset) || matches!(broken, Broken::Lost(e) if is_reset(e));
        let is_read_at_once = self.uplink.bytes_at_once().is_some_and(|bytes| bytes <= READ_BYTES_MIN);
        let was_never_written = self.uplink.first_write().is_none() && self.uplink.failure().is_some();
        was_never_written || was_reset && is_read_at_once
    }

    /// Holds the answer back for as long as it is short, and either of known length or here
    /// already; true if that is all of it.
    async fn hold(
        &mut self,
        held: &mut Held,
        length: Length,
        sink: &ReplySink,
        bytes_max: usize,
    ) -> Result<bool, Broken> {
        let is_short = length.exact().map(|bytes| bytes <= bytes_max as u64);
        if is_short == Some(false) {
            return Ok(false);
        }
        while held.len() <= bytes_max {
            let more = match self.decoder.decode(self.inbox.bytes())? {
                Some(Event::Data(piece)) => {
                    held.push(piece)?;
                    continue;
                }
                Some(_) => false,
                None if is_short.is_some() => self.read(sink).await?,
                None => match self.read_at_once().await? {
                    Some(more) => more,
                    None => return Ok(false),
                },
            };
            if !more {
                self.is_answered = true;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Hands on what is held, then each piece as it comes.
    async fn stream(&mut self, held: &mut Held, sink: &mut ReplySink) -> Result<(), Broken> {
        self.give(sink, held.take()).await?;
        loop {
            let more = match self.decoder.decode(self.inbox.bytes())? {
                Some(Event::Data(piece)) => {
                    held.count(&piece)?;
                    self.give(sink, piece).await?;
                    continue;
                }
                Some(_) => false,
                None => self.read_for(sink).await?,
            };
            if !more {
                self.is_answered = true;
                return Ok(());
            }
        }
    }

    /// Waits for more of the answer, while the request goes on. False if the stream ended and the
    /// answer with it.
    async fn read(&mut self, sink: &ReplySink) -> Result<bool, Broken> {
        let read = poll_fn(|cx| self.poll_read(sink, cx)).await?;
        self.heard(read)
    }

    /// As `read`, once the caller has the head: for as long as the caller takes what comes of the rest.
    async fn read_for(&mut self, sink: &mut ReplySink) -> Result<bool, Broken> {
        let read = poll_fn(|cx| match self.poll_read(sink, cx) {
            Poll::Pending => pin!(sink.left()).poll(cx).map(|()| Err(Broken::CallerLeft)),
            ready => ready,
        });
        let read = read.await?;
        self.heard(read)
    }

    fn poll_read(&mut self, sink: &ReplySink, cx: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        if let Poll::Ready(Err(e)) = self.uplink.poll(self.wire, cx) {
            return Poll::Ready(Err(Broken::Call(e)));
        }
        if !self.is_reached
            && let Some(written) = self.uplink.first_write()
        {
            self.is_reached = true;
            sink.reached(written);
        }
        self.inbox.poll_read(self.wire, cx).map_err(Broken::Lost)
    }

    /// As `read`, but `None` if nothing is there.
    async fn read_at_once(&mut self) -> Result<Option<bool>, Broken> {
        let read = poll_fn(|cx| {
            Poll::Ready(match self.inbox.poll_read(self.wire, cx) {
                Poll::Ready(read) => Some(read),
                Poll::Pending => None,
            })
        });
        let Some(read) = read.await.transpose().map_err(Broken::Lost)? else { return Ok(None) };
        self.heard(read).map(Some)
    }

    fn heard(&mut self, read: usize) -> Result<bool, Broken> {
        if read == 0 {
            self.decoder.end(self.inbox.bytes())?;
            return Ok(false);
        }
        self.is_heard = true;
        Ok(true)
    }

    /// Hands a piece to the caller, while the request goes on.
    async fn give(&mut self, sink: &mut ReplySink, piece: Bytes) -> Result<(), Broken> {
        let mut sending = pin!(sink.send(piece));
        poll_fn(|cx| {
            if let Poll::Ready(Err(e)) = self.uplink.poll(self.wire, cx) {
                return Poll::Ready(Err(Broken::Call(e)));
            }
            sending.as_mut().poll(cx).map_err(Broken::from)
        })
        .await
    }
}

impl<W> Drop for Exchange<'_, W> {
    fn drop(&mut self) {
        self.inbox.shrink();
    }
}
