//! One container's life: its directory, the watch on it, the start, the wait for its socket, and
//! the end, in reverse order.

use std::sync::Arc;

use hotfn_protocols::{Fault, Kind};
use tokio::sync::oneshot;

use crate::container::Container;
use crate::ends::{Ends, MakeEnd};
use crate::exec::Door;
use crate::hot::Hot;
use crate::iofs::Iofs;
use crate::keeper::{Keeper, Line};
use crate::log::Log;
use crate::made::{Failed, Made};
use crate::phases::{Lap, Phases};
use crate::pool::{ContainerId, Event};
use crate::watch::Armed;
use crate::{Function, meter};

/// What is needed to start one container and to keep it.
pub(crate) struct Launch {
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) line: Arc<Line>,
    pub(crate) id: ContainerId,
    pub(crate) function: Arc<Function>,
    /// What this container alone is told: a cold call's own variables.
    pub(crate) env: Vec<(String, String)>,
}

/// Who is told that the container can take calls, or why it cannot.
pub(crate) enum Report {
    /// The one cold call it is for. When that call leaves, the container goes.
    Call(oneshot::Sender<Result<Arc<Hot>, Fault>>),
    /// The pool, which gives it to whoever waits.
    Pool,
}

/// A container that was started, and what it lies in.
struct Up {
    name: String,
    log: Arc<Log>,
    iofs: Arc<Iofs>,
    door: Option<Door>,
    container: Box<dyn Container>,
    /// Until its socket is there.
    armed: Option<Armed>,
}

impl Up {
    fn quoted(&self, reason: String) -> String {
        let name = &self.name;
        match self.log.last_words() {
            Some(words) => format!("{reason} (container {name}); its last words: {words}"),
            None => format!("{reason} (container {name})"),
        }
    }
}

impl Launch {
    /// The whole life, from the first directory to the last.
    pub(crate) async fn live(self, mut report: Report) {
        let mut phases = Phases::default();
        let mut up = None;
        let risen = {
            let rise = self.rise(&mut phases, &mut up);
            tokio::select! {
                risen = rise => Some(risen),
                () = left(&mut report) => None,
                () = self.keeper.force.cancelled() => None,
            }
        };
        let ends = risen.map(|risen| risen.and_then(|()| self.ends(up.as_ref())));
        let iofs = up.as_ref().map(|up| up.iofs.clone());
        let door = up.as_mut().and_then(|up| up.door.take());
        let armed = up.as_mut().and_then(|up| up.armed.take());
        match (ends, up) {
            (Some(Ok(ends)), Some(up)) => {
                let calls = door.as_ref().map(Door::calls);
                let hot = Hot::new(up.name, self.function.clone(), up.log, calls, up.container, ends, phases);
                self.keep(Arc::new(hot), report, armed, iofs.as_deref()).await;
            }
            (ends, up) => {
                match ends {
                    Some(Err(fault)) => self.failed(fault, &phases, report),
                    _ => tracing::debug!(fn_id = %self.function.id, "its call left while its container started"),
                }
                if let Some(up) = up {
                    up.container.end(self.keeper.config.end_grace).await;
                }
            }
        }
        if let Some(door) = door {
            door.close().await;
        }
        if let Some(iofs) = iofs {
            iofs.close().await;
        }
        self.keeper.tell(&self.line, Event::Gone(self.id));
    }

    /// Makes a container, or takes one that was made ahead, starts it and waits for its socket. Once
    /// it runs it is in `up`, whatever comes after.
    async fn rise(&self, phases: &mut Phases, up: &mut Option<Up>) -> Result<(), Fault> {
        if self.env.is_empty()
            && let Some(made) = self.keeper.from_stock(&self.line, &self.function)
        {
            match self.start(made, phases, up).await {
                Err(fault) if fault.kind() == Kind::Internal => {
                    tracing::debug!(fn_id = %self.function.id, "a container from stock does not start: {fault}");
                }
                started => return started,
            }
        }
        let made = Made::make(&self.keeper, self.function.clone(), &self.env, phases).await?;
        self.start(made, phases, up).await
    }

    async fn start(&self, made: Made, phases: &mut Phases, up: &mut Option<Up>) -> Result<(), Fault> {
        let Made { name, log, armed, created, door, iofs } = made;
        let mut lap = Lap::start();
        let started = Failed { name: &name, function: &self.function }.in_time(created.start(log.sink())).await;
        lap.note(&mut phases.start);
        let container = started?;
        let up = up.insert(Up { name, log, iofs, door, container, armed });
        let Some(armed) = &up.armed else { return Ok(()) };

        let wait = self.keeper.config.start_timeout;
        let ended = up.container.exit();
        let outcome = tokio::time::timeout(wait, async {
            tokio::select! {
                biased;
                found = armed.socket(&up.iofs) => found.map_err(|invalid| invalid.to_string()),
                exit = ended => Err(format!("container ended with {exit} before its socket appeared")),
            }
        })
        .await;
        lap.note(&mut phases.socket);
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => Err(Fault::new(Kind::InitFailed).because(up.quoted(reason))),
            Err(_) => {
                let reason = format!("socket did not appear within {wait:?}");
                Err(Fault::new(Kind::InitTimeout).because(up.quoted(reason)))
            }
        }
    }

    /// The container's ends in the function's format.
    fn ends(&self, up: Option<&Up>) -> Result<Ends, Fault> {
        let (format, limits) = (self.function.format, self.keeper.config.limits.clone());
        let up = up.expect("a rise that succeeds leaves a container that is up");
        let iofs = up.iofs.clone();
        if format.has_socket() {
            let make: MakeEnd = Box::new(move || {
                let dial = iofs.dial();
                format
                    .end(hotfn_protocols::Ends::Socket(dial), limits.clone())
                    .expect("a format with a socket takes one")
            });
            return Ok(Ends::many(make, self.function.concurrency));
        }
        let end = up.container.pipes().and_then(|ends| format.end(ends, limits).ok());
        end.map(Ends::one).ok_or_else(|| Fault::new(Kind::Internal).because("the driver gave no pipes"))
    }

    /// The container is up: say so, and stay until it ends or is to end. `armed` has watched for its socket.
    async fn keep(&self, hot: Arc<Hot>, report: Report, armed: Option<Armed>, iofs: Option<&Iofs>) {
        self.keeper.launches.note(&hot.phases);
        let exit = hot.container().exit();
        match report {
            Report::Pool => self.keeper.tell(&self.line, Event::Ready(self.id, hot.clone())),
            Report::Call(call) => {
                if call.send(Ok(hot.clone())).is_err() {
                    hot.leave();
                }
            }
        }
        // Whoever waits has his turn before what can be done later.
        tokio::task::yield_now().await;
        drop(armed);
        if let Some(iofs) = iofs {
            iofs.forget();
        }
        meter::launched(&hot.name, &hot.function, &hot.phases);
        let by_itself = tokio::select! {
            exit = exit => Some(exit),
            () = hot.asked_to_leave() => None,
            () = self.keeper.force.cancelled() => None,
        };
        if let Some(exit) = by_itself {
            hot.ended(exit);
            self.keeper.tell(&self.line, Event::Died(self.id));
        }
        hot.container().end(self.keeper.config.end_grace).await;
        let exit = hot.container().exit().await;
        hot.ended(exit);
        tracing::info!(
            container_id = %hot.name, fn_id = %hot.function.id, %exit, by_itself = by_itself.is_some(),
            "container is gone"
        );
    }

    fn failed(&self, fault: Fault, phases: &Phases, report: Report) {
        meter::not_launched(&self.function, &fault, phases);
        match report {
            Report::Pool => self.keeper.tell(&self.line, Event::Failed(self.id, fault)),
            Report::Call(call) => {
                let _left = call.send(Err(fault));
            }
        }
    }
}

/// Resolves when the cold call that this container is for has left.
async fn left(report: &mut Report) {
    match report {
        Report::Call(call) => call.closed().await,
        Report::Pool => std::future::pending().await,
    }
}
