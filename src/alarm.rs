//! A timer that is hardly ever waited for to its end.
//!
//! Setting a timer and taking it away costs more than all else that is done for a deadline, and
//! hardly any ever rings. So one is set and left alone: what it was set to for one wait mostly comes
//! before the end of the next, and if it rings meanwhile it is set anew.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::time::Sleep;

/// Wakes whoever waits when his deadline passes.
#[derive(Default)]
pub(crate) struct Alarm {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Ready once `deadline` has passed.
    pub(crate) fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
        if timer.deadline().into_std() > deadline {
            timer.as_mut().reset(deadline.into());
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline().into_std() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline.into());
        }
        Poll::Pending
    }

    /// Lets go of the task that was to be woken: it may be over long before the timer rings.
    pub(crate) fn forget(&mut self) {
        if let Some(timer) = &mut self.timer {
            let _ = timer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_alarm_rings_at_each_calls_own_deadline() {
        let mut alarm = Alarm::default();
        let mut rings_in = async |seconds, is_awaited| {
            let deadline = tokio::time::Instant::now() + Duration::from_secs(seconds);
            let mut ring = std::future::poll_fn(|cx| alarm.poll(deadline.into_std(), cx));
            if is_awaited {
                ring.await;
                let late = tokio::time::Instant::now().duration_since(deadline);
                assert!(late < Duration::from_millis(2), "{late:?}");
            } else {
                assert!(tokio::time::timeout(Duration::from_secs(1), &mut ring).await.is_err());
                alarm.forget();
            }
        };
        // Left alone, rung, set later than the one before, and earlier.
        for (seconds, is_awaited) in [(30, false), (30, true), (60, false), (5, true), (40, true), (0, true)] {
            rings_in(seconds, is_awaited).await;
        }
    }
}
