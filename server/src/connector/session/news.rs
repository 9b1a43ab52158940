//! What can happen next on a connection, and which of it comes first.

use std::io;
use std::task::{Context, Poll};

use super::{Ended, Input, Output, Session};
use crate::connector::calls::Done;
use crate::connector::codec::Value;
use crate::connector::wire::Read;

/// What has happened.
#[derive(Debug)]
pub(super) enum News {
    /// Something came of an event.
    Done(Done),
    /// The file was read on.
    Fed(io::Result<()>),
    /// Something took too long.
    Late(Ended),
    /// The peer is gone for good.
    Left,
    /// Somebody else has something for the peer.
    Mail(Value),
    /// Bytes came, or the end.
    Read(io::Result<Read>),
    /// The connector is to end.
    Stopping,
    /// Frames and bytes have left.
    Written(io::Result<(u64, u64)>),
}

impl Session {
    /// What happens next. What is done leaves before more is begun.
    pub(super) fn poll_news(&mut self, cx: &mut Context<'_>) -> Poll<News> {
        if !self.timing.is_draining() && self.poll_stop(cx).is_ready() {
            return Poll::Ready(News::Stopping);
        }
        if !self.outbox.is_empty()
            && let Poll::Ready(written) = self.wire.poll_write(cx, &mut self.outbox)
        {
            return Poll::Ready(News::Written(written));
        }
        if !self.calls.is_empty()
            && let Poll::Ready(done) = self.calls.poll_done(cx)
        {
            return Poll::Ready(News::Done(done));
        }
        if self.output == Output::Open && self.has_room_to_write() {
            if let Poll::Ready(value) = self.present.mailbox.poll_take(cx) {
                return Poll::Ready(News::Mail(value));
            }
            if let Some(feed) = self.feed.as_mut().filter(|feed| !feed.is_over())
                && let Poll::Ready(fed) = feed.poll_read(cx)
            {
                return Poll::Ready(News::Fed(fed));
            }
        }
        if self.input == Input::Hungry && self.has_room() {
            let buf_bytes = self.desk.definition.socket.buf_bytes;
            if let Poll::Ready(read) = self.wire.poll_read(cx, &mut self.buf, buf_bytes) {
                return Poll::Ready(News::Read(read));
            }
        } else if self.poll_leaving(cx).is_ready() {
            return Poll::Ready(News::Left);
        }
        let is_idle = self.calls.is_empty() && self.outbox.is_empty();
        let waits_to_write = !self.outbox.is_empty();
        self.timing.poll_late(cx, is_idle, waits_to_write).map(News::Late)
    }

    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let stop = &self.desk.stop;
        self.stopping.get_or_insert_with(|| Box::pin(stop.clone().cancelled_owned())).as_mut().poll(cx)
    }

    /// While nothing is read, a peer that leaves is noticed by watching for it.
    fn poll_leaving(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.leaving.is_none() {
            self.leaving = self.wire.leaving();
        }
        self.leaving.as_mut().map_or(Poll::Pending, |leaving| leaving.as_mut().poll(cx))
    }
}
