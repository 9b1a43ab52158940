//! One connection: calls one after another, until the peer ends it or the function ends.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use http::StatusCode;
use tokio::sync::Notify;

use hotfn_protocols::http1::{Limits, Refused, Served};
use hotfn_socket::{Stream, Watched};

use super::answer::answer;
use crate::Function;
use crate::settings::Settings;

/// Most bytes of a request's head. Platforms pass 64 KiB of headers.
const HEAD_BYTES_MAX: usize = 256 << 10;

/// Most headers of a request.
const HEADERS_MAX: usize = 256;

/// What every connection needs to serve a call.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) function: Arc<Function>,
    pub(super) settings: Arc<Settings>,
    is_stopping: AtomicBool,
    stopping: Notify,
}

/// A connection at work.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) served: Served<Stream>,
    pub(super) watched: Watched,
    pub(super) service: Arc<Service>,
}

impl Service {
    pub(super) fn new(function: Arc<Function>, settings: Arc<Settings>) -> Self {
        Self { function, settings, is_stopping: AtomicBool::new(false), stopping: Notify::new() }
    }

    /// Every connection ends as soon as no call is in flight on it.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.stopping.notify_waiters();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }
}

/// Serves one connection to its end. How it ended is nobody's business: whoever was at the other
/// end knows.
pub(super) async fn converse(stream: Stream, service: Arc<Service>) {
    let limits = Limits { head_bytes_max: HEAD_BYTES_MAX, headers_max: HEADERS_MAX, ..Limits::default() };
    let watched = stream.watched();
    let mut connection = Connection { served: Served::new(stream, limits), watched, service: service.clone() };
    // This is polled once, to leave the task's waker with it. From then on a look at a flag is
    // enough, and no call takes a lock that all connections share.
    let mut stopping = pin!(service.stopping.notified());
    let mut is_registered = false;
    stopping.as_mut().enable();
    loop {
        let next = poll_fn(|cx| {
            if !is_registered {
                is_registered = true;
                let _ = stopping.as_mut().poll(cx);
            }
            // A request that has arrived by now is answered; one that has begun to is waited for.
            let next = connection.served.poll_next(cx);
            let is_over = next.is_pending() && service.is_stopping() && !connection.served.is_begun();
            if is_over { Poll::Ready(None) } else { next }
        });
        match next.await {
            Some(Ok((head, body))) => {
                if answer(&mut connection, head, body).await.is_none() {
                    return;
                }
            }
            Some(Err(Refused::Invalid(why))) => {
                let told = connection.served.answer(StatusCode::BAD_REQUEST).send(why.to_string().into());
                // It was the last word in any case.
                let _ = told.await;
                return;
            }
            Some(Err(Refused::Lost(_))) | None => return,
        }
    }
}
