//! How long things may take on a connection.
//!
//! One timer for all of them. It is left as it is set while what it was set for is put off, and
//! set anew only when it rings too early: a busy connection puts its timers off thousands of times
//! a second, and touches this one every few seconds.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use super::{Ended, now};
use crate::connector::definition::Bounds;

/// When things began, and how long they may take.
#[derive(Debug)]
pub(super) struct Timing {
    bounds: Bounds,
    read_at: Instant,
    written_at: Instant,
    /// Since when a frame is unfinished, and how many had come before it.
    frame: Option<(Instant, u64)>,
    /// When what is under way must have ended.
    drained_at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Timing {
    pub(super) fn new(bounds: &Bounds) -> Self {
        let now = now();
        Self { bounds: *bounds, read_at: now, written_at: now, frame: None, drained_at: None, timer: None }
    }

    pub(super) fn note_read(&mut self) {
        self.read_at = now();
    }

    /// The peer has taken something, or something begins to wait for it.
    pub(super) fn note_written(&mut self) {
        self.written_at = now();
    }

    /// Is a frame unfinished, after so many?
    pub(super) fn note_frame(&mut self, is_amid: bool, frames: u64) {
        self.frame = match self.frame {
            _ if !is_amid => None,
            Some((since, before)) if before == frames => Some((since, before)),
            _ => Some((self.read_at, frames)),
        };
    }

    pub(super) fn begin_drain(&mut self) {
        self.drained_at = Some(now() + self.bounds.drain);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.drained_at.is_some()
    }

    /// What takes too long, once something does.
    pub(super) fn poll_late(&mut self, cx: &mut Context<'_>, is_idle: bool, waits_to_write: bool) -> Poll<Ended> {
        loop {
            let Some((due, how)) = self.due(is_idle, waits_to_write) else { return Poll::Pending };
            if due <= now() {
                return Poll::Ready(how);
            }
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due.into())));
            let set_to = timer.deadline().into_std();
            if set_to > due || timer.is_elapsed() {
                timer.as_mut().reset(due.into());
            }
            std::task::ready!(timer.as_mut().poll(cx));
        }
    }

    /// What is too late first, and when.
    fn due(&self, is_idle: bool, waits_to_write: bool) -> Option<(Instant, Ended)> {
        let frame_too_slow = || Ended::Closed(format!("a frame that was not whole within {:?}", self.frame_timeout()));
        [
            self.bounds.idle_timeout.filter(|_| is_idle).map(|timeout| (self.read_at + timeout, Ended::Idle)),
            self.frame.zip(self.bounds.frame_timeout).map(|((since, _), timeout)| (since + timeout, frame_too_slow())),
            waits_to_write.then(|| (self.written_at + self.bounds.write_timeout, Ended::Stuck)),
            self.drained_at.map(|at| (at, Ended::Stopped)),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(due, _)| *due)
    }

    fn frame_timeout(&self) -> Duration {
        self.bounds.frame_timeout.unwrap_or_default()
    }
}
