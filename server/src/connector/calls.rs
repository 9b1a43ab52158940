//! The calls of one connection that are under way, in the order in which they are to end.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::StreamExt as _;
use futures_util::stream::{FuturesOrdered, FuturesUnordered};

use super::callee::Answer;
use super::journal::Entry;
use super::trouble::Trouble;

/// What came of an event.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) peer: u64,
    pub(super) seq: u64,
    pub(super) ingest_ns: u64,
    pub(super) outcome: Result<Answer, Trouble>,
    pub(super) entry: Option<Entry>,
}

pub(super) type Doing = Pin<Box<dyn Future<Output = Done> + Send>>;

/// Calls under way.
#[derive(Debug)]
pub(super) enum Calls {
    /// They end as they began.
    Ordered(FuturesOrdered<Doing>),
    /// They end as they do.
    Unordered(FuturesUnordered<Doing>),
}

impl Calls {
    pub(super) fn new(is_ordered: bool) -> Self {
        if is_ordered { Self::Ordered(FuturesOrdered::new()) } else { Self::Unordered(FuturesUnordered::new()) }
    }

    pub(super) fn push(&mut self, doing: Doing) {
        match self {
            Self::Ordered(calls) => calls.push_back(doing),
            Self::Unordered(calls) => calls.push(doing),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ordered(calls) => calls.len(),
            Self::Unordered(calls) => calls.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next that is done; never, if none is under way.
    pub(super) fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<Done> {
        let next = match self {
            Self::Ordered(calls) => calls.poll_next_unpin(cx),
            Self::Unordered(calls) => calls.poll_next_unpin(cx),
        };
        match next {
            Poll::Ready(Some(done)) => Poll::Ready(done),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}
