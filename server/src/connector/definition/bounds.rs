//! How much, how long, and what happens beyond.

use std::time::Duration;

use crate::connector::options::{Invalid, Options};
use crate::connector::trouble::Kind;

/// How much a connector takes on, and how long it waits.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most connections; one more is closed with a line in the log. Default 1,024.
    pub connections_max: usize,
    /// Calls at once of one connection. Default 1.
    pub in_flight: usize,
    /// Calls at once of all connections; reading stops there. Default 256.
    pub in_flight_total: usize,
    /// Do replies keep the order of their events? Default true.
    pub is_ordered: bool,
    /// How long an event's call may take; `None`: as long as the function may.
    pub deadline: Option<Duration>,
    /// How long a connection may bring nothing; `None`: for ever. Default none.
    pub idle_timeout: Option<Duration>,
    /// How long a frame may take to become whole; `None`: for ever. Default 30 s.
    pub frame_timeout: Option<Duration>,
    /// How long a peer may take nothing while something waits for it. Default 10 s.
    pub write_timeout: Duration,
    /// Frames that may wait to be written on a connection. Default 128.
    pub write_frames_max: usize,
    /// Bytes that may. Default 1 MiB.
    pub write_bytes_max: usize,
    /// Frames that wait for a client that is not connected; beyond it the oldest go. Default 1,000.
    pub buffer_frames_max: usize,
    /// How long what is under way may take when the connector ends. Default 10 s.
    pub drain: Duration,
}

impl Bounds {
    pub(super) fn read(options: &mut Options) -> Result<Self, Invalid> {
        let ms = |n: Option<u64>, usual| Duration::from_millis(n.unwrap_or(usual));
        let seconds = |n: u64| (n > 0).then(|| Duration::from_secs(n));
        let count = |n: Option<u64>, usual| usize::try_from(n.unwrap_or(usual)).unwrap_or(usize::MAX);
        Ok(Self {
            connections_max: count(options.number("max_connections", 1..=1 << 20)?, 1024),
            in_flight: count(options.number("in_flight", 1..=65_536)?, 1),
            in_flight_total: count(options.number("in_flight_total", 1..=1 << 20)?, 256),
            is_ordered: options.flag("ordered")?.unwrap_or(true),
            deadline: options.number("deadline_ms", 1..=MS_MAX)?.map(Duration::from_millis),
            idle_timeout: seconds(options.number("idle_timeout_s", 0..=SECONDS_MAX)?.unwrap_or(0)),
            frame_timeout: seconds(options.number("frame_timeout_s", 0..=SECONDS_MAX)?.unwrap_or(30)),
            write_timeout: ms(options.number("write_timeout_ms", 1..=MS_MAX)?, 10_000),
            write_frames_max: count(options.number("write_queue", 1..=1 << 20)?, 128),
            write_bytes_max: 1 << 20,
            buffer_frames_max: count(options.number("buffer", 1..=1 << 20)?, 1000),
            drain: Duration::from_secs(options.number("drain_s", 0..=3600)?.unwrap_or(10)),
        })
    }
}

/// A day.
const SECONDS_MAX: u64 = 86_400;
const MS_MAX: u64 = 86_400_000;

/// What happens to events that go wrong, by where they do.
#[derive(Clone, Copy, Debug)]
pub struct Policies {
    /// Frames that say nothing. Default: report.
    pub decode: Policy,
    /// Calls that fail. Default: reply.
    pub fault: Policy,
    /// Bytes that are no frame. Default: report.
    pub frame: Policy,
}

/// What happens to an event that goes wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Policy {
    /// It is told of, and its connection closed.
    Close,
    /// It is counted.
    Drop,
    /// It is told of, to the peer too.
    Reply,
    /// It is told of: in the log, and to `err_to`.
    Report,
}

impl Policies {
    pub(super) fn read(options: &mut Options) -> Result<Self, Invalid> {
        Ok(Self {
            decode: Policy::read(options, "on_decode_error", Policy::Report)?,
            fault: Policy::read(options, "on_fault", Policy::Reply)?,
            frame: Policy::read(options, "on_frame_error", Policy::Report)?,
        })
    }

    /// What happens to this kind of trouble. What cannot be written cannot be told the peer either.
    #[must_use]
    pub fn of(&self, kind: Kind) -> Policy {
        match kind {
            Kind::Decode => self.decode,
            Kind::Fault => self.fault,
            Kind::Frame => self.frame,
            Kind::Write => Policy::Report,
        }
    }
}

impl Policy {
    fn read(options: &mut Options, key: &str, usual: Self) -> Result<Self, Invalid> {
        Ok(match options.text(key)?.as_deref() {
            None => usual,
            Some("close") => Self::Close,
            Some("drop") => Self::Drop,
            Some("reply") => Self::Reply,
            Some("report") => Self::Report,
            Some(other) => {
                let what = format!("unknown policy {other:?}; there are close, drop, reply, report");
                return Err(Invalid::new(key, what));
            }
        })
    }
}
