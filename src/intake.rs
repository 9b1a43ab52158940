//! A call's body on its way in: how much of it comes before its call may hold a container, and how
//! long the rest of it is waited for.
//!
//! A container is dear and a connection is cheap, so it is the connection that waits for a slow
//! caller. A body that is short, and says so, comes whole before its call asks for a slot: nobody
//! can keep a container by announcing a byte that never comes. Of any other one the beginning comes
//! first, [`AHEAD_BYTES_MAX`] of it where it is announced as longer and whatever there is where its
//! length is unknown, since function and caller may be about to talk to each other. What follows is
//! read as the function takes it, at the least [`Pace`].
//!
//! Whole bodies, as most are when their call comes, never pass here.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use hotfn_protocols::{Body, BodyError};

use crate::Pace;
use crate::alarm::Alarm;
use crate::pace::Patience;

/// Most bytes of a body that are read before its call holds a container; memory is taken as they
/// come, and not as they are announced.
pub(crate) const AHEAD_BYTES_MAX: u64 = 16 << 10;

/// Reads of `body` what has to come before its call may hold a container. What it gives is the same
/// body: whole, if it turned out to be short, else a stream that keeps the pace.
///
/// # Errors
/// When the body breaks off, or comes too slowly.
pub(crate) async fn begin(body: Body, pace: Pace) -> Result<Body, BodyError> {
    let wanted = body.len().map_or(1, |announced| announced.min(AHEAD_BYTES_MAX));
    let mut paced = Paced::new(body, pace);
    let (mut first, mut joined) = (Bytes::new(), BytesMut::new());
    loop {
        let came = (first.len() + joined.len()) as u64;
        let next = match came {
            _ if came >= AHEAD_BYTES_MAX => break,
            _ if came < wanted => paced.next().await,
            // No more is waited for, but what is here already comes along.
            _ => match paced.next_at_once().await {
                Some(next) => next,
                None => break,
            },
        };
        match next.transpose()? {
            None => break,
            Some(piece) if came == 0 => first = piece,
            Some(piece) => joined.extend_from_slice(&piece),
        }
    }
    if !joined.is_empty() {
        let mut all = BytesMut::from(&first[..]);
        all.unsplit(joined);
        first = all.freeze();
    }
    let rest = if paced.body.is_empty() { Body::empty() } else { Body::stream(paced) };
    Ok(Body::resumed(first, rest))
}

/// A body that keeps the pace, or fails.
struct Paced {
    body: Body,
    pace: Pace,
    patience: Patience,
    alarm: Alarm,
}

impl Paced {
    fn new(body: Body, pace: Pace) -> Self {
        Self { body, pace, patience: Patience::new(pace), alarm: Alarm::default() }
    }

    /// The next piece, if it comes in time; `None` at the end.
    async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As `next`, but `None` if nothing is there. That costs no patience: nobody waits.
    async fn next_at_once(&mut self) -> Option<Option<Result<Bytes, BodyError>>> {
        poll_fn(|cx| {
            Poll::Ready(match self.body.poll_next(cx) {
                Poll::Ready(next) => Some(next),
                Poll::Pending => None,
            })
        })
        .await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let polled = self.body.poll_next(cx);
        let now = Instant::now().into_std();
        match &polled {
            Poll::Ready(Some(Ok(piece))) => self.patience.came(piece.len(), now),
            Poll::Ready(_) => {}
            Poll::Pending => {
                ready!(self.alarm.poll(self.patience.wait(now), cx));
                return Poll::Ready(Some(Err(self.pace.missed())));
            }
        }
        polled
    }
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.poll_next(cx).map(|next| next.map(|next| next.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;

    const PACE: Pace = Pace { bytes_per_second: NonZeroU32::new(10).unwrap(), grace: Duration::from_secs(5) };

    /// A body that says it has `announced` bytes, and gives what is sent.
    fn body(announced: Option<u64>) -> (mpsc::UnboundedSender<&'static [u8]>, Body) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, Body::stream(Sent { receiver, left: announced }))
    }

    struct Sent {
        receiver: mpsc::UnboundedReceiver<&'static [u8]>,
        left: Option<u64>,
    }

    impl http_body::Body for Sent {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            if self.left == Some(0) {
                return Poll::Ready(None);
            }
            let piece = ready!(self.receiver.poll_recv(cx));
            self.left = self.left.zip(piece).map(|(left, piece)| left - piece.len() as u64).or(self.left);
            Poll::Ready(piece.map(|piece| Ok(Frame::data(Bytes::from_static(piece)))))
        }

        fn size_hint(&self) -> SizeHint {
            self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
        }
    }

    /// How much is here when a call of a body of which `announced` is said begins, after `pieces` were sent, and
    /// whether that is all; `None` if it waits.
    async fn check(announced: Option<u64>, pieces: &[&'static [u8]], is_ended: bool, expected: Option<(usize, bool)>) {
        let (sender, body) = body(announced);
        pieces.iter().for_each(|piece| sender.send(piece).unwrap());
        let _sender = (!is_ended).then_some(sender);
        let began = tokio::time::timeout(Duration::from_secs(1), begin(body, PACE)).await;
        let found = match began {
            Err(_) => None,
            Ok(body) => {
                let mut body = body.unwrap();
                let is_whole = body.as_bytes().is_some();
                assert!(is_whole || body.len() == announced, "the rest is as long as it was");
                Some((body.next().await.transpose().unwrap().map_or(0, |first| first.len()), is_whole))
            }
        };
        assert_eq!(found, expected, "{announced:?} {:?}", pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_body_is_waited_for_and_of_a_long_one_its_beginning() {
        const MOST: usize = AHEAD_BYTES_MAX as usize;
        static LONG: [u8; 2 * MOST] = [b'x'; 2 * MOST];
        check(Some(1), &[], false, None).await;
        check(Some(1), &[b"x"], false, Some((1, true))).await;
        check(Some(10), &[b"12345"], false, None).await;
        check(Some(10), &[b"12345", b"678", b"90"], false, Some((10, true))).await;
        check(Some(1 << 30), &[&LONG[..MOST - 1]], false, None).await;
        check(Some(1 << 30), &[&LONG[..MOST - 1], b"x"], false, Some((MOST, false))).await;
        check(Some(1 << 30), &[&LONG], false, Some((2 * MOST, false))).await;
        // Of unknown length: it may be a conversation.
        check(None, &[], false, None).await;
        check(None, &[], true, Some((0, true))).await;
        check(None, &[b"x"], false, Some((1, false))).await;
        check(None, &[b"x", b"yz"], false, Some((3, false))).await;
        check(None, &[b"x", b"yz"], true, Some((3, true))).await;
        check(None, &[&LONG[..MOST], b"x"], false, Some((MOST, false))).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_fails_when_the_grace_is_over() {
        for announced in [None, Some(1), Some(1 << 20)] {
            let (_sender, body) = body(announced);
            let began = Instant::now();
            let fault = begin(body, PACE).await.unwrap_err().into_call_fault();
            assert_eq!(fault.kind(), hotfn_protocols::Kind::CallSlow);
            let waited = began.elapsed();
            assert!(waited >= PACE.grace && waited < PACE.grace + Duration::from_millis(10), "{waited:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_follows_is_waited_for_at_the_pace() {
        let (sender, body) = body(None);
        sender.send(b"a").unwrap();
        let mut body = begin(body, PACE).await.unwrap();
        assert_eq!(body.next().await.unwrap().unwrap(), "a");
        // While nobody reads, as while the call stands in a queue, nothing is asked of the caller.
        tokio::time::sleep(10 * PACE.grace).await;
        for _ in 0..100 {
            let later = async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                sender.send(b"0123456789").unwrap();
            };
            let (piece, ()) = tokio::join!(body.next(), later);
            assert_eq!(piece.unwrap().unwrap(), "0123456789");
        }
        let slow = body.next().await.unwrap().unwrap_err();
        assert_eq!(slow.to_string(), "body came slower than 10 bytes a second, and 5s of grace were over");
        assert!(matches!(slow, BodyError::TooSlow { .. }), "and it is told as it is: {slow:?}");
    }
}
