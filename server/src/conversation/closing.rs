//! How the connections of a listener are told that it ends, and how one waits for that.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// What every connection is told, once.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    stage: AtomicU8,
    told: CancellationToken,
    cut: CancellationToken,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq, PartialOrd)]
#[repr(u8)]
pub(crate) enum Stage {
    /// Serve on.
    Open,
    /// Close when the answer under way is out.
    Closing,
    /// Close now.
    Cut,
}

impl Closing {
    pub(crate) fn advance(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Release);
        if stage == Stage::Cut { self.cut.cancel() } else { self.told.cancel() }
    }

    /// Resolves when all are told to close.
    pub(crate) fn told(&self) -> WaitForCancellationFuture<'_> {
        self.told.cancelled()
    }

    /// Resolves when all are cut.
    pub(crate) fn cut(&self) -> WaitForCancellationFuture<'_> {
        self.cut.cancelled()
    }

    fn stage(&self) -> Stage {
        const CLOSING: u8 = Stage::Closing as u8;
        const CUT: u8 = Stage::Cut as u8;
        match self.stage.load(Ordering::Acquire) {
            CLOSING => Stage::Closing,
            CUT => Stage::Cut,
            _ => Stage::Open,
        }
    }
}

/// One connection's patience: what may end it while it waits for its peer.
///
/// All it waits for is polled once, which leaves the task's waker there. From then on a look at an
/// atomic is enough: no connection takes a lock shared by all of them when it wakes, and one timer
/// serves for its whole life, at the price that a silent one may last up to twice as long.
pub(crate) struct Patience<'a, 'c> {
    closing: &'c Closing,
    told: Pin<&'a mut WaitForCancellationFuture<'c>>,
    cut: Pin<&'a mut WaitForCancellationFuture<'c>>,
    silence: Pin<&'a mut Sleep>,
    silence_max: Duration,
    is_registered: bool,
    /// A request came since the timer last ran out.
    heard: bool,
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Over {
    Closing,
    Cut,
    Silent,
}

impl<'a, 'c> Patience<'a, 'c> {
    pub(crate) fn new(
        closing: &'c Closing,
        told: Pin<&'a mut WaitForCancellationFuture<'c>>,
        cut: Pin<&'a mut WaitForCancellationFuture<'c>>,
        silence: Pin<&'a mut Sleep>,
        silence_max: Duration,
    ) -> Self {
        Self { closing, told, cut, silence, silence_max, is_registered: false, heard: false }
    }

    /// A whole request came.
    pub(crate) fn heard(&mut self) {
        self.heard = true;
    }

    /// Is it to close as soon as it can?
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.stage() != Stage::Open
    }

    /// Is it over, while it waits for a request? `begun` says whether some of one is there.
    pub(crate) fn poll_waiting(&mut self, cx: &mut Context<'_>, begun: impl FnOnce() -> bool) -> Poll<Over> {
        self.register(cx);
        match self.closing.stage() {
            Stage::Open => {}
            Stage::Cut => return Poll::Ready(Over::Cut),
            Stage::Closing if begun() => {}
            Stage::Closing => return Poll::Ready(Over::Closing),
        }
        if self.ran_out(cx) && !std::mem::take(&mut self.heard) {
            return Poll::Ready(Over::Silent);
        }
        Poll::Pending
    }

    /// Is it over, while its request is worked on?
    pub(crate) fn poll_working(&mut self, cx: &mut Context<'_>) -> Poll<Over> {
        self.register(cx);
        if self.ran_out(cx) {
            // Who waits for us is not silent.
            self.heard = true;
        }
        if self.closing.stage() == Stage::Cut { Poll::Ready(Over::Cut) } else { Poll::Pending }
    }

    fn register(&mut self, cx: &mut Context<'_>) {
        if !std::mem::replace(&mut self.is_registered, true) {
            let _ = self.told.as_mut().poll(cx);
            let _ = self.cut.as_mut().poll(cx);
            let _ = self.silence.as_mut().poll(cx);
        }
    }

    /// Did the timer run out? It then begins anew.
    fn ran_out(&mut self, cx: &mut Context<'_>) -> bool {
        let ran_out = self.silence.is_elapsed();
        if ran_out {
            self.silence.as_mut().reset(Instant::now() + self.silence_max);
            let _ = self.silence.as_mut().poll(cx);
        }
        ran_out
    }
}
