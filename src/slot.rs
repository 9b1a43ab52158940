//! The right to one call in one container.
//!
//! A slot is given back exactly once, by being dropped: unused, after a verdict, or in the middle
//! of a call whose caller left.

use std::sync::Arc;
use std::time::Instant;

use hotfn_protocols::{CallId, Deadline, Fault, Kind, Reuse};

use crate::ends::End;
use crate::hot::Hot;
use crate::keeper::{Keeper, Line};
use crate::pool::{ContainerId, Event, Granted, Todo};

/// The right to one call in one container.
pub(crate) struct Slot {
    keeper: Arc<Keeper>,
    line: Arc<Line>,
    id: ContainerId,
    /// `None`: a cold function's, until the call has started it.
    hot: Option<Arc<Hot>>,
    /// The call starts the container, and ends it.
    cold: bool,
    thaw: bool,
    /// No call had tried its container before.
    is_new: bool,
    state: State,
}

/// Why a container cannot be given a call.
pub(crate) enum Unfit {
    /// It was never used: another would be no better.
    New(Fault),
    /// It was used before: another may do.
    Worn,
}

enum State {
    Unused,
    /// Its container is being thawed; should it be dropped now, somebody else has to see to that.
    Thawing,
    /// The call holds the container's end; should it be dropped now, the end is lost.
    InUse(CallId),
    /// The call was over at this moment.
    Done(Reuse, Instant),
}

impl Slot {
    pub(crate) fn new(keeper: Arc<Keeper>, line: Arc<Line>, granted: Granted<Arc<Hot>>) -> Self {
        let Granted { container: id, handle: hot, thaw, idle } = granted;
        let cold = hot.is_none();
        if let Some(idle) = idle {
            let awake = keeper.config.freeze_idle.unwrap_or_default();
            keeper.calls.rested(idle, thaw.then(|| idle.saturating_sub(awake)));
        }
        Self { keeper, line, id, hot, cold, thaw, is_new: false, state: State::Unused }
    }

    /// Its container; `None` for a cold function whose call has not started it yet.
    pub(crate) fn hot(&self) -> Option<&Arc<Hot>> {
        self.hot.as_ref()
    }

    /// Which container the pool means.
    pub(crate) fn id(&self) -> ContainerId {
        self.id
    }

    pub(crate) fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// The container that this cold call started.
    pub(crate) fn started(&mut self, hot: Arc<Hot>) {
        self.hot = Some(hot);
    }

    /// Makes the container fit for a call and takes an end of it. One that is not fit retires.
    pub(crate) async fn open(&mut self) -> Result<End, Unfit> {
        self.is_new = self.container().first_use();
        if self.thaw
            && let Err(why) = Box::pin(self.wake()).await
        {
            return Err(self.unfit(Kind::Internal, &why));
        }
        let hot = self.container();
        if let Some(mut end) = hot.ends.take()
            && end.look() == Reuse::Keep
        {
            return Ok(end);
        }
        let (kind, why) = if hot.function.format.has_socket() {
            (Kind::Receiving, "its socket takes no connection")
        } else {
            (Kind::InvalidFrame, "it wrote to its standard output before it was called, or closed it")
        };
        Err(self.unfit(kind, why))
    }

    fn container(&self) -> &Hot {
        self.hot.as_ref().expect("a slot is opened once its container is there")
    }

    async fn wake(&mut self) -> Result<(), String> {
        self.state = State::Thawing;
        self.container().thaw(self.keeper.config.freeze_timeout).await?;
        self.state = State::Unused;
        Ok(())
    }

    /// The caller has left while its container was being thawed. As far as the pool knows that one is awake
    /// since it was given; so it is nobody else's before it is.
    fn wake_alone(&mut self) {
        let (keeper, line, hot) = (self.keeper.clone(), self.line.clone(), self.hot.clone());
        let mut slot = Self { keeper, line, hot, state: State::Unused, ..*self };
        self.keeper.tasks.spawn_on(
            async move {
                if let Err(why) = slot.wake().await {
                    slot.unfit(Kind::Internal, &why);
                }
            },
            &self.keeper.runtime,
        );
    }

    fn unfit(&mut self, kind: Kind, why: &str) -> Unfit {
        let name = self.hot.as_ref().map_or("", |hot| &hot.name);
        tracing::debug!(container_id = %name, "container is ended: {why}");
        let unfit = if self.is_new {
            Unfit::New(Fault::new(kind).because(format!("{why} (container {name})")))
        } else {
            Unfit::Worn
        };
        self.state = State::Done(Reuse::Retire, Instant::now());
        unfit
    }

    /// Had no call tried its container before [`Slot::open`]?
    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Did [`Slot::open`] have to thaw it?
    pub(crate) fn was_frozen(&self) -> bool {
        self.thaw
    }

    /// From now on a drop means that the caller left in the middle of the call.
    pub(crate) fn begin(&mut self, call: CallId, deadline: Deadline) {
        if let Some(hot) = &self.hot {
            hot.log.begin(call);
            if let Some(calls) = &hot.calls {
                calls.begin(call, deadline);
            }
        }
        self.state = State::InUse(call);
    }

    /// The call is over, at `now`. With `end` the container may be used again as it is.
    pub(crate) fn finish(mut self, end: Option<End>, reuse: Reuse, now: Instant) {
        self.end_log(now);
        if let Some(hot) = &self.hot
            && let Some(end) = end
            && reuse == Reuse::Keep
        {
            hot.ends.keep(end);
        }
        self.state = State::Done(reuse, now);
    }

    fn end_log(&self, now: Instant) {
        if let (State::InUse(call), Some(hot)) = (&self.state, &self.hot) {
            hot.log.end(*call, now);
            if let Some(calls) = &hot.calls {
                calls.end(*call);
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let (reuse, now) = match self.state {
            State::Thawing => return self.wake_alone(),
            State::Unused => (Reuse::Keep, Instant::now()),
            State::InUse(_) => (self.hot.as_ref().map_or(Reuse::Retire, |hot| hot.without_an_end()), Instant::now()),
            State::Done(reuse, now) => (reuse, now),
        };
        self.end_log(now);
        let mut todo = Todo::new();
        self.keeper.pool.finish(&self.line, self.id, reuse, now, &mut todo);
        self.keeper.act(todo);
        match (&self.hot, &self.state) {
            // A cold call that never started its container: there is nothing to wait for.
            (None, State::Unused) => self.keeper.tell(&self.line, Event::Gone(self.id)),
            (Some(hot), _) if self.cold => hot.leave(),
            _ => {}
        }
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("id", &self.id).field("hot", &self.hot).finish_non_exhaustive()
    }
}
