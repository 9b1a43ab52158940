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
//!
//! In the order in which a session lives: `news` is what can happen, `coming` makes events of what
//! was read, `going` sends what comes of them, `ending` is the end; `timing` says how long each
//! may take.

mod coming;
mod ending;
mod going;
mod news;
mod timing;

use std::io;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use rustix::io::Errno;

use hotfn_socket::Peer;

use super::calls::Calls;
use super::desk::Desk;
use super::feed::Feed;
use super::inbound::Inbound;
use super::origin::Origin;
use super::outbound::Outbound;
use super::outbox::Outbox;
use super::peers::Present;
use super::trouble::{Kind, Trouble};
use super::wire::{Leaving, Wire};
pub(super) use ending::{Ended, Left};
use news::News;
use timing::Timing;

/// Events that may be spread to files and other connectors before their writers are waited for.
const SPREAD_MAX: usize = 1024;

/// One connection.
pub(super) struct Session {
    desk: Arc<Desk>,
    origin: Arc<Origin>,
    present: Present,
    /// The peer's user, where the kernel says so.
    uid: Option<u32>,
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
    /// Why the connection is to be closed once all that came before is answered.
    closing: Option<String>,
    /// Events and troubles that were spread since the writers were last waited for.
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
            uid: who.and_then(|who| who.uid),
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
            closing: None,
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
            self.pump();
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

    /// What happens next, if anything ends now.
    fn take(&mut self, news: News) -> Option<Ended> {
        match news {
            News::Fed(Ok(())) => {}
            News::Late(how) => return Some(how),
            News::Left => return Some(Ended::Left),
            News::Written(Err(e)) if is_too_long(&e) => self.lose_packet(),
            News::Read(Err(e)) | News::Written(Err(e)) => return Some(Ended::Lost(e)),
            News::Done(done) => self.finish(done),
            News::Fed(Err(e)) => {
                let what = format!("file cannot be read to its end: {e}");
                self.report(&Trouble::new(Kind::Frame, what), 0);
            }
            News::Mail(value) => self.send(&value, now_ns(), 0),
            News::Read(Ok(read)) => self.read(read.bytes, read.is_cut),
            News::Stopping => {
                self.timing.begin_drain();
                // Events that were read already are answered yet.
                if self.input == Input::Hungry {
                    self.input = Input::Done;
                }
            }
            News::Written(Ok((frames, bytes))) => {
                self.timing.note_written();
                self.tally.frames_out += frames;
                self.tally.bytes_out += bytes;
                self.desk.counts.frames_out.add(frames);
                self.desk.counts.bytes_out.add(bytes);
            }
        }
        None
    }

    /// The first packet that waits is longer than a socket takes, on this connection or on any other.
    fn lose_packet(&mut self) {
        let bytes = self.outbox.first().map_or(0, <[u8]>::len);
        self.outbox.advance_packet();
        self.desk.counts.undelivered.add(1);
        self.report(&Trouble::new(Kind::Write, format!("packet of {bytes} bytes is longer than the socket takes")), 0);
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
}

/// Was it that a packet has to be sent whole, and cannot be? On a stream there is no such thing.
fn is_too_long(e: &io::Error) -> bool {
    e.raw_os_error() == Some(Errno::MSGSIZE.raw_os_error())
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
