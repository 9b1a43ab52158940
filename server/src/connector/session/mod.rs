//! One connection, from its first byte to its last, in one task.
//!
//! Everything that can happen is polled in one place ([`Session::poll_news`]) and in one order:
//! what is done leaves before more is begun. Room is what drives it: an event is only pulled from
//! what was read while there is room for its call and for its reply, and nothing is read while an
//! event waits to be pulled. So a peer that sends faster than its events are answered, or does not
//! read its replies, waits; and what it costs is bounded by its own bounds.
//!
//! The end of input is not the end: what is unfinished becomes an event, and the other direction
//! stays open until every reply is written. A peer that has left altogether costs its own calls
//! and nobody else's anything.

mod news;
mod timing;

use std::io;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use serde_json::json;

use hotfn_socket::Peer;

use super::callee::Answer;
use super::calls::{Calls, Done};
use super::codec::Value;
use super::definition::{PeerScope, Policy, Side};
use super::desk::Desk;
use super::feed::Feed;
use super::inbound::{Event, Inbound};
use super::origin::Origin;
use super::outbound::Outbound;
use super::outbox::Outbox;
use super::peers::Present;
use super::trouble::{Kind, Trouble};
use super::wire::Wire;
use news::{Leaving, News};
use timing::Timing;

/// Events that may be spread to files and other connectors before their writers are waited for.
const SPREAD_MAX: usize = 1024;

/// One connection.
pub(super) struct Session {
    desk: Arc<Desk>,
    origin: Arc<Origin>,
    present: Present,
    wire: Wire,
    inbound: Inbound,
    outbound: Outbound,
    outbox: Outbox,
    calls: Calls,
    feed: Option<Feed>,
    buf: BytesMut,
    input: Input,
    output: Output,
    timing: Timing,
    leaving: Option<Leaving>,
    stopping: Option<Leaving>,
    /// Events that were spread since the writers were last waited for.
    spread: usize,
    tally: Tally,
}

/// What this connection has brought and taken.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    bytes_in: u64,
    bytes_out: u64,
    frames_in: u64,
    frames_out: u64,
}

/// What comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Input {
    /// There are events yet in what was read.
    Fed,
    /// More must be read.
    Hungry,
    /// Nothing more is read; there may be events yet in what was.
    Over,
    /// That was all.
    Done,
}

/// What goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Output {
    Open,
    /// What stages had kept was put; nothing comes after it.
    Finished,
    /// The peer was told that nothing comes.
    Shut,
}

/// How a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
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
pub(super) struct Left {
    pub(super) how: Ended,
    pub(super) outbox: Outbox,
    pub(super) feed: Option<Feed>,
}

impl Session {
    pub(super) fn new(desk: Arc<Desk>, wire: Wire, who: Option<Peer>, present: Present) -> Self {
        let checked = "the definition was checked when it was read";
        let inbound = Inbound::new(&desk.definition).expect(checked);
        let outbound = Outbound::new(&desk.definition).expect(checked);
        let origin = Origin::new(&desk.definition, present.id, who.as_ref(), inbound.content_type());
        desk.counts.connections.add(1);
        Self {
            origin: Arc::new(origin),
            calls: Calls::new(desk.definition.bounds.is_ordered),
            timing: Timing::new(&desk.definition.bounds),
            desk,
            present,
            wire,
            inbound,
            outbound,
            outbox: Outbox::default(),
            feed: None,
            buf: BytesMut::new(),
            input: Input::Hungry,
            output: Output::Open,
            leaving: None,
            stopping: None,
            spread: 0,
            tally: Tally::default(),
        }
    }

    /// Goes on with what an earlier connection left.
    pub(super) fn resume(mut self, outbox: Outbox, feed: Option<Feed>) -> Self {
        (self.outbox, self.feed) = (outbox, feed);
        self
    }

    /// Serves the connection until it ends.
    pub(super) async fn run(mut self) -> Left {
        let how = loop {
            if let Some(how) = self.pump() {
                break how;
            }
            if self.spread > 0 {
                self.spread = 0;
                self.desk.flush().await;
            }
            if let Some(how) = self.wind_down() {
                break how;
            }
            let news = std::future::poll_fn(|cx| self.poll_news(cx)).await;
            if let Some(how) = self.take(news) {
                break how;
            }
        };
        self.end(how).await
    }

    /// Pulls events as long as there is room for them.
    fn pump(&mut self) -> Option<Ended> {
        let now_ns = now_ns();
        self.pump_feed(now_ns);
        while self.has_room() && matches!(self.input, Input::Fed | Input::Over) {
            let next = match self.inbound.next(now_ns) {
                None => {
                    self.input = if self.input == Input::Over { Input::Done } else { Input::Hungry };
                    break;
                }
                Some(Ok(event)) => self.begin(event),
                Some(Err((trouble, seq))) => self.wrong_in_turn(trouble, seq),
            };
            if next.is_some() {
                return next;
            }
        }
        let frames = self.inbound.frames();
        self.desk.counts.frames_in.add(frames - self.tally.frames_in);
        self.tally.frames_in = frames;
        self.timing.note_frame(self.inbound.is_amid(), frames);
        None
    }

    /// Sends events of the file.
    fn pump_feed(&mut self, now_ns: u64) {
        while self.has_room_to_write()
            && let Some(next) = self.feed.as_mut().and_then(|feed| feed.next(now_ns))
        {
            match next {
                Ok(event) => self.send(&event.value, event.ingest_ns, event.seq),
                Err((trouble, seq)) => self.desk.report(&trouble, self.present.id, seq),
            }
        }
    }

    fn has_room(&self) -> bool {
        self.calls.len() < self.desk.in_flight() && self.has_room_to_write() && self.spread < SPREAD_MAX
    }

    fn has_room_to_write(&self) -> bool {
        let bounds = &self.desk.definition.bounds;
        self.outbox.frames() < bounds.write_frames_max && self.outbox.bytes().len() < bounds.write_bytes_max
    }

    /// Has an event answered.
    fn begin(&mut self, event: Event) -> Option<Ended> {
        let (seq, ingest_ns) = (event.seq, event.ingest_ns);
        if self.desk.passes_through() {
            let answer = Answer { value: Some(event.value), receiver: None };
            return self.finish(Done { peer: self.present.id, seq, ingest_ns, outcome: Ok(answer), entry: None });
        }
        let (desk, origin) = (self.desk.clone(), self.origin.clone());
        self.calls.push(Box::pin(async move {
            let (outcome, entry) = desk.answer(event, &origin).await;
            Done { peer: origin.peer, seq, ingest_ns, outcome, entry }
        }));
        None
    }

    /// A frame could not be followed: that is told in its turn.
    fn wrong_in_turn(&mut self, trouble: Trouble, seq: u64) -> Option<Ended> {
        if self.calls.is_empty() {
            return self.wrong(trouble, seq);
        }
        let done = Done { peer: self.present.id, seq, ingest_ns: 0, outcome: Err(trouble), entry: None };
        self.calls.push(Box::pin(std::future::ready(done)));
        None
    }

    /// Something came of an event.
    fn finish(&mut self, done: Done) -> Option<Ended> {
        let Done { seq, ingest_ns, outcome, entry, .. } = done;
        let ok = outcome.is_ok();
        let ended = match outcome {
            Ok(answer) => {
                self.deliver(answer, seq, ingest_ns);
                None
            }
            Err(trouble) => self.wrong(trouble, seq),
        };
        if self.desk.definition.acknowledges {
            self.send(&Value::Tree(json!({"seq": seq, "ok": ok})), ingest_ns, seq);
        }
        self.desk.done(entry);
        ended
    }

    fn deliver(&mut self, answer: Answer, seq: u64, ingest_ns: u64) {
        let Some(value) = answer.value else { return };
        if self.desk.has_outlets() {
            self.spread += 1;
            if let Err(trouble) = self.desk.spread(&value, ingest_ns) {
                self.desk.report(&trouble, self.present.id, seq);
            }
        }
        if !self.desk.replies {
            return;
        }
        match answer.receiver {
            None => self.send(&value, ingest_ns, seq),
            Some(id) if id == self.present.id.to_string() => self.send(&value, ingest_ns, seq),
            Some(id) => self.send_to(&id, value, seq),
        }
    }

    /// Sends to another connection, if replies may name one. Nobody else gets it instead.
    fn send_to(&mut self, id: &str, value: Value, seq: u64) {
        let peers = &self.desk.peers;
        let sent = match (self.desk.definition.peer_scope, id.parse()) {
            (PeerScope::Own, _) => false,
            (PeerScope::Any, _) if id == "*" => {
                peers.send_to_all(&value);
                true
            }
            (PeerScope::Any, Ok(id)) => peers.send(id, value).is_ok(),
            (PeerScope::Any, Err(_)) => false,
        };
        if !sent {
            self.desk.counts.undelivered.add(1);
            self.desk.report(&Trouble::undeliverable(id), self.present.id, seq);
        }
    }

    /// Frames a value for the peer.
    fn send(&mut self, value: &Value, ingest_ns: u64, seq: u64) {
        let was_empty = self.outbox.is_empty();
        if let Err(trouble) = self.outbound.put(value, ingest_ns, &mut self.outbox) {
            self.desk.report(&trouble, self.present.id, seq);
        }
        if was_empty {
            self.timing.note_written();
        }
    }

    /// An event went wrong.
    fn wrong(&mut self, trouble: Trouble, seq: u64) -> Option<Ended> {
        let policy = self.desk.definition.policies.of(trouble.kind);
        match policy {
            Policy::Drop => self.desk.count(&trouble),
            Policy::Close | Policy::Reply | Policy::Report => self.desk.report(&trouble, self.present.id, seq),
        }
        if policy == Policy::Reply {
            let record = trouble.to_record(&self.desk.definition.name, self.present.id, seq);
            self.send(&Value::Tree(record), 0, seq);
        }
        if policy == Policy::Close || trouble.is_fatal {
            // What came before is answered; nothing that comes after is looked at.
            self.input = Input::Done;
            self.timing.closing = Some(trouble.what);
        }
        None
    }

    /// What happens next, if anything ends now.
    fn take(&mut self, news: News) -> Option<Ended> {
        match news {
            News::Done(done) => self.finish(done),
            News::Fed(Ok(())) => None,
            News::Fed(Err(e)) => {
                let what = format!("file cannot be read to its end: {e}");
                self.desk.report(&Trouble::new(Kind::Frame, what), self.present.id, 0);
                None
            }
            News::Late(how) => Some(how),
            News::Left => Some(Ended::Left),
            News::Mail(value) => {
                self.send(&value, now_ns(), 0);
                None
            }
            News::Read(Ok(read)) => {
                self.read(read.bytes, read.is_cut);
                None
            }
            News::Read(Err(e)) => Some(Ended::Lost(e)),
            News::Stopping => {
                self.timing.begin_drain();
                if matches!(self.input, Input::Fed | Input::Hungry) {
                    self.input = Input::Done;
                }
                None
            }
            News::Written(Ok((frames, bytes))) => {
                self.timing.note_written();
                self.tally.frames_out += frames;
                self.tally.bytes_out += bytes;
                self.desk.counts.frames_out.add(frames);
                self.desk.counts.bytes_out.add(bytes);
                None
            }
            News::Written(Err(e)) => Some(Ended::Lost(e)),
        }
    }

    fn read(&mut self, bytes: Bytes, is_cut: bool) {
        self.timing.note_read();
        self.tally.bytes_in += bytes.len() as u64;
        self.desk.counts.bytes_in.add(bytes.len() as u64);
        if is_cut {
            let what = format!("packet is longer than buf_size, {} bytes", self.desk.definition.socket.buf_bytes);
            self.wrong(Trouble::new(Kind::Frame, what), self.inbound.frames());
        } else if bytes.is_empty() {
            self.inbound.finish();
            self.input = Input::Over;
        } else {
            self.inbound.feed(bytes);
            self.input = Input::Fed;
        }
    }

    /// When nothing more comes, what is left goes; when that is gone, that was it.
    fn wind_down(&mut self) -> Option<Ended> {
        let is_fed = self.feed.as_ref().is_none_or(Feed::is_over);
        let is_over = self.input == Input::Done && self.calls.is_empty();
        // A client that has sent its file says so, and listens on.
        let has_sent_all = self.feed.is_some() && is_fed && !self.desk.replies && self.present.mailbox.len() == 0;
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
        Some(match self.timing.closing.take() {
            Some(why) => Ended::Closed(why),
            None if self.desk.stop.is_cancelled() => Ended::Stopped,
            None => Ended::Finished,
        })
    }

    /// The last word on a connection.
    async fn end(mut self, how: Ended) -> Left {
        let undelivered = (self.outbox.frames() + self.calls.len()) as u64;
        if self.desk.definition.side == Side::Server {
            self.desk.counts.undelivered.add(undelivered);
        }
        let Tally { bytes_in, bytes_out, frames_in, frames_out } = self.tally;
        let (connector, peer) = (&self.desk.definition.name, self.present.id);
        tracing::debug!(
            connector,
            peer,
            bytes_in,
            bytes_out,
            frames_in,
            frames_out,
            undelivered,
            "connection ended: {how}"
        );
        if self.desk.definition.finishes && !self.calls.is_empty() {
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
    /// wherever it goes but back.
    fn leave_calls(&mut self) {
        let mut calls = std::mem::replace(&mut self.calls, Calls::new(false));
        let desk = self.desk.clone();
        self.desk.tasks.spawn(async move {
            while !calls.is_empty() {
                let done = std::future::poll_fn(|cx| calls.poll_done(cx)).await;
                desk.settle(done);
            }
            desk.flush().await;
        });
    }
}

/// Now, in ns since 1970.
pub(super) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The steady clock, read where time matters.
fn now() -> Instant {
    Instant::now()
}
