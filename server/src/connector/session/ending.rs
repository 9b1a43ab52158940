//! How a connection ends: what is left goes out, then both directions close.

use std::io;

use super::{Input, Output, Session, Tally, now_ns};
use crate::connector::calls::Calls;
use crate::connector::definition::Side;
use crate::connector::feed::Feed;
use crate::connector::outbox::Outbox;

/// How a connection ended.
#[derive(Debug, thiserror::Error)]
pub(in crate::connector) enum Ended {
    /// It was closed because of what it sent.
    #[error("closed after {0}")]
    Closed(String),
    /// The peer brought nothing for too long.
    #[error("idle for too long")]
    Idle,
    /// The peer did not read.
    #[error("peer did not read what was written")]
    Stuck,
    /// It broke.
    #[error("connection lost: {0}")]
    Lost(#[source] io::Error),
    /// The peer left while calls were under way.
    #[error("peer left")]
    Left,
    /// The peer had no more to send, and got all its replies.
    #[error("finished")]
    Finished,
    /// The connector ends.
    #[error("connector stops")]
    Stopped,
}

/// What outlives a connection of a client.
#[derive(Debug)]
pub(in crate::connector) struct Left {
    pub(in crate::connector) how: Ended,
    pub(in crate::connector) outbox: Outbox,
    pub(in crate::connector) feed: Option<Feed>,
}

impl Session {
    /// When nothing more comes, what is left goes; when that is gone, that was it.
    pub(super) fn wind_down(&mut self) -> Option<Ended> {
        let is_fed = self.feed.as_ref().is_none_or(Feed::is_over);
        let is_deaf = self.wire.is_deaf();
        // A client that has sent its file says so, and listens on where there is something to hear.
        let has_sent_all =
            self.feed.is_some() && is_fed && (is_deaf || !self.desk.replies) && self.present.mailbox.len() == 0;
        let is_over = (self.input == Input::Done || is_deaf && has_sent_all) && self.calls.is_empty();
        if self.output == Output::Open && (is_over || has_sent_all) {
            self.outbound.finish(now_ns(), &mut self.outbox);
            self.output = Output::Finished;
        }
        if self.output == Output::Finished && self.outbox.is_empty() {
            self.wire.finish();
            self.output = Output::Shut;
        }
        if !(is_over && self.output == Output::Shut) {
            return None;
        }
        Some(match self.closing.take() {
            Some(why) => Ended::Closed(why),
            None if self.desk.stop.is_cancelled() => Ended::Stopped,
            None => Ended::Finished,
        })
    }

    /// The last word on a connection.
    pub(super) async fn end(mut self, how: Ended) -> Left {
        let finishes = self.desk.definition.finishes && !matches!(how, Ended::Stopped);
        let given_up = if finishes { 0 } else { self.calls.len() };
        let undelivered = (self.outbox.frames() + given_up) as u64;
        if self.desk.definition.side == Side::Server {
            self.desk.counts.undelivered.add(undelivered);
        }
        let Tally { bytes_in, bytes_out, frames_in, frames_out } = self.tally;
        let (connector, peer, uid) = (&self.desk.definition.name, self.present.id, self.uid);
        tracing::debug!(
            connector,
            peer,
            uid,
            bytes_in,
            bytes_out,
            frames_in,
            frames_out,
            undelivered,
            "connection ended: {how}"
        );
        if finishes && !self.calls.is_empty() {
            self.leave_calls();
        }
        if self.spread > 0 {
            self.desk.flush().await;
        }
        let outbox = match self.desk.definition.side {
            Side::Client => self.outbox,
            Side::Server => Outbox::default(),
        };
        Left { how, outbox, feed: self.feed }
    }

    /// Has the calls of a peer that has left finish, for what they do; what comes of them goes
    /// wherever it goes but back. When the connector ends they have as long as those of others.
    fn leave_calls(&mut self) {
        let mut calls = std::mem::replace(&mut self.calls, Calls::new(false));
        let desk = self.desk.clone();
        self.desk.tasks.spawn(async move {
            let all = async {
                while !calls.is_empty() {
                    let done = std::future::poll_fn(|cx| calls.poll_done(cx)).await;
                    desk.settle(done);
                }
            };
            let too_late = async {
                desk.stop.cancelled().await;
                tokio::time::sleep(desk.definition.bounds.drain).await;
            };
            tokio::select! {
                () = all => {}
                () = too_late => {}
            }
            desk.flush().await;
        });
    }
}
