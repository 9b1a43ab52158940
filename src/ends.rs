//! The ends of one container: what calls take, use one at a time, and give back.
//!
//! A format with a socket can have many ends, each with a connection of its own; the others have
//! exactly one. The one used last is taken first, so that what is surplus goes cold.
//!
//! A connection is registered with the runtime that made it, and only that runtime hears when an
//! answer has come. A program that has several runtimes, one for each core say, would pay for that with a
//! wake-up across cores in every call. So a call takes an end that its own runtime made. Where only
//! others' are left, and the container has as many connections as it may have calls, one of theirs
//! is closed and another made here: some functions serve no more connections than they were told.
//! Pipes cannot be made anew: a container that talks over them is heard by the runtime that started it,
//! whoever calls.

use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Instant;

use hotfn_protocols::{Call, ContainerIo as _, Io, ReplySink, Reuse, Verdict};
use tokio::runtime;

use crate::alarm::Alarm;

/// Makes another end to the same container, for formats that can have many.
pub(crate) type MakeEnd = Box<dyn Fn() -> Io + Send + Sync>;

/// The ends of one container.
pub(crate) struct Ends {
    /// Those that no call holds, the one used last at the end.
    kept: Mutex<Vec<End>>,
    make: Option<MakeEnd>,
    /// Most that there should be at once.
    max: usize,
    /// Held once by us, and once by every end that there is.
    count: Arc<()>,
}

/// An end of a container's format, for one call at a time.
pub(crate) struct End {
    /// Large, and handed from one call to the next.
    io: Box<Io>,
    alarm: Alarm,
    home: runtime::Id,
    _counted: Arc<()>,
}

impl Ends {
    /// The only end of a container.
    pub(crate) fn one(io: Io) -> Self {
        let ends = Self { kept: Mutex::default(), make: None, max: 1, count: Arc::default() };
        ends.keep(ends.end(io, runtime::Handle::current().id()));
        ends
    }

    /// As many as are asked for, but more than `max` only while more calls than that are in flight.
    pub(crate) fn many(make: MakeEnd, max: u32) -> Self {
        Self { kept: Mutex::default(), make: Some(make), max: max as usize, count: Arc::default() }
    }

    /// Can there be another, should one be lost?
    pub(crate) fn are_many(&self) -> bool {
        self.make.is_some()
    }

    /// An end for one call; `None` if the only one was lost. To be called within a runtime.
    pub(crate) fn take(&self) -> Option<End> {
        let here = runtime::Handle::current().id();
        let Some(make) = &self.make else { return self.kept().pop().map(|end| end.moved(here)) };
        let others = {
            let mut kept = self.kept();
            if let Some(at) = kept.iter().rposition(|end| end.home == here) {
                return Some(kept.remove(at));
            }
            let is_full = Arc::strong_count(&self.count) > self.max;
            if is_full && !kept.is_empty() { Some(kept.remove(0)) } else { None }
        };
        // Its connection is gone before the next is dialled.
        drop(others);
        Some(self.end(make(), here))
    }

    /// Keeps an end for the next call.
    pub(crate) fn keep(&self, end: End) {
        self.kept().push(end);
    }

    fn end(&self, io: Io, home: runtime::Id) -> End {
        End { io: Box::new(io), alarm: Alarm::default(), home, _counted: self.count.clone() }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<End>> {
        self.kept.lock().expect("no code panics while it holds this lock")
    }
}

impl End {
    /// The same end, used from `here` on: timers cannot outlive the runtime that set them.
    fn moved(mut self, here: runtime::Id) -> Self {
        if self.home != here {
            self.home = here;
            self.alarm = Alarm::default();
        }
        self
    }

    /// See [`ContainerIo::look`](hotfn_protocols::ContainerIo::look).
    pub(crate) fn look(&mut self) -> Reuse {
        self.io.look()
    }

    /// Hands over one call; `None` if it was not done by `deadline`. The end is then not clean.
    pub(crate) async fn dispatch(&mut self, call: &mut Call, sink: ReplySink, deadline: Instant) -> Option<Verdict> {
        let Self { io, alarm, .. } = self;
        let mut work = std::pin::pin!(io.dispatch(call, sink));
        let done = std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(verdict) => Poll::Ready(Some(verdict)),
            Poll::Pending => alarm.poll(deadline, cx).map(|()| None),
        });
        let done = done.await;
        alarm.forget();
        done
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use hotfn_protocols::{Dial, Dialing, Format, Limits};
    use tokio::runtime::Runtime;

    use super::*;

    /// A place that is never reached: nobody dials before a call.
    #[derive(Debug)]
    struct Nowhere;

    impl Dial for Nowhere {
        fn dial(&self) -> Dialing<'_> {
            Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })
        }
    }

    fn ends(max: u32) -> Ends {
        let make = || {
            let socket = hotfn_protocols::Ends::Socket(Box::new(Nowhere));
            Format::HttpStream.end(socket, Limits::default()).unwrap()
        };
        Ends::many(Box::new(make), max)
    }

    fn runtime() -> Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    fn take(ends: &Ends, of: &Runtime) -> End {
        let _within = of.enter();
        let end = ends.take().unwrap();
        assert_eq!(end.home, of.handle().id(), "each call has an end of its own runtime");
        end
    }

    #[test]
    fn each_runtime_uses_its_own_ends_again() {
        let (one, other) = (runtime(), runtime());
        let ends = ends(2);
        for _ in 0..3 {
            for runtime in [&one, &other] {
                ends.keep(take(&ends, runtime));
            }
        }
        assert_eq!(ends.kept().len(), 2);
    }

    #[test]
    fn where_no_more_may_be_made_that_of_another_runtime_goes() {
        let (one, other) = (runtime(), runtime());
        let ends = ends(2);
        let (first, second) = (take(&ends, &one), take(&ends, &one));
        ends.keep(first);
        ends.keep(second);
        let here = take(&ends, &other);
        assert_eq!(ends.kept().len(), 1, "one was closed for it");
        ends.keep(here);
        ends.keep(take(&ends, &one));
        assert_eq!(ends.kept().len(), 2);
    }
}
