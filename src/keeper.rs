//! Does what the pool says: gives, starts, freezes and ends.
//!
//! The pool decides and owns nothing; the keeper owns everything and decides nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use hotfn_protocols::{Fault, FunctionId, Kind};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::calls::Calls;
use crate::config::Config;
use crate::container::Driver;
use crate::hot::Hot;
use crate::iofs::Root;
use crate::launch::{Launch, Report};
use crate::launches::Launches;
use crate::log::Lines;
use crate::made::Made;
use crate::phases::Phases;
use crate::pool::{self, Action, Closing, Event, Pool, Refusal, Todo};
use crate::rate::Allowance;
use crate::sampler::Sampler;
use crate::slot::Slot;
use crate::stock::Stock;
use crate::tag::Tag;
use crate::ticker::Ticker;
use crate::watch::Watch;
use crate::{Function, function};

/// What a waiting call leaves behind to be reached by.
pub(crate) type Waiter = oneshot::Sender<Result<Slot, Fault>>;
/// One function's place in the pool.
pub(crate) type Line = pool::Line<Waiter, Arc<Hot>>;

/// A function that was deployed.
#[derive(Debug)]
pub(crate) struct Deployed {
    pub(crate) line: Arc<Line>,
    function: RwLock<Arc<Function>>,
    /// How often it may still be called.
    pub(crate) allowance: Allowance,
}

impl Deployed {
    /// The function as it is now.
    pub(crate) fn function(&self) -> Arc<Function> {
        self.function.read().expect("no code panics while it holds this lock").clone()
    }
}

/// Everything an agent owns.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) config: Config,
    pub(crate) driver: Arc<dyn Driver>,
    pub(crate) calls: Calls,
    pub(crate) launches: Launches,
    /// What containers use.
    pub(crate) sampler: Sampler,
    /// Where what containers write goes, beside the log.
    pub(crate) written: Option<Lines>,
    /// Programs of this host that functions run.
    pub(crate) programs: Arc<hotfn_exec::server::Counts>,
    /// What this agent's containers are labelled with.
    pub(crate) node: String,
    /// Says that we live, to who would remove what carries our label; until nothing does any more.
    tag: Mutex<Option<Tag>>,
    pub(crate) root: Root,
    pub(crate) watch: Watch,
    pub(crate) pool: Pool<Waiter, Arc<Hot>>,
    /// Every container's life, every answer that is still streaming: drained when they are done.
    pub(crate) tasks: TaskTracker,
    pub(crate) runtime: Handle,
    stock: Stock,
    functions: RwLock<HashMap<FunctionId, Arc<Deployed>>>,
    /// The same by line, for launches and ticks.
    lines: RwLock<HashMap<pool::LineId, Arc<Deployed>>>,
    ticker: Arc<Ticker>,
    draining: AtomicBool,
    /// The patience of a drain has run out: every container ends now.
    pub(crate) force: CancellationToken,
}

impl Keeper {
    pub(crate) fn new(
        config: Config,
        driver: Arc<dyn Driver>,
        tag: Option<Tag>,
        root: Root,
        watch: Watch,
        room: pool::Need,
        runtime: Handle,
    ) -> Self {
        let pool = Pool::new(room, config.refuse_when_full);
        Self {
            config,
            calls: Calls::default(),
            programs: Arc::default(),
            launches: Launches::new(driver.name()),
            sampler: Sampler::default(),
            written: None,
            driver,
            node: tag.as_ref().map_or_else(String::new, |tag| tag.name().to_owned()),
            tag: Mutex::new(tag),
            root,
            watch,
            pool,
            tasks: TaskTracker::new(),
            runtime,
            stock: Stock::default(),
            functions: RwLock::default(),
            lines: RwLock::default(),
            ticker: Arc::default(),
            draining: AtomicBool::new(false),
            force: CancellationToken::new(),
        }
    }

    /// Removes what dead agents' containers left. What cannot be removed is left to the next agent.
    pub(crate) fn bury(self: &Arc<Self>, dead: Vec<Tag>) {
        for tag in dead {
            let (driver, force) = (self.driver.clone(), self.force.clone());
            self.tasks.spawn_on(
                async move {
                    let swept = tokio::select! {
                        swept = driver.sweep(tag.name()) => swept,
                        // The next agent finds the rest.
                        () = force.cancelled() => return,
                    };
                    match swept {
                        Ok(containers) => {
                            tracing::info!(node = tag.name(), containers, "swept what a dead agent left");
                            tag.forget();
                        }
                        Err(e) => tracing::warn!(node = tag.name(), error = %e, "what a dead agent left stays"),
                    }
                },
                &self.runtime,
            );
        }
    }

    /// See [`crate::Agent::deploy`].
    pub(crate) fn deploy(self: &Arc<Self>, function: Function) {
        let rules = function::rules(&function, &self.config);
        let now = Instant::now();
        let mut todo = Todo::new();
        {
            let mut functions = self.functions.write().expect("no code panics while it holds this lock");
            if let Some(deployed) = functions.get(&function.id) {
                let line = deployed.line.clone();
                deployed.allowance.set(function.rate, now);
                let function = Arc::new(function);
                *deployed.function.write().expect("no code panics while it holds this lock") = function.clone();
                self.restock(&line, Some(&function));
                self.pool.on(&line, Event::Replaced(rules), now, &mut todo);
            } else {
                let id = function.id.clone();
                let line = self.pool.open(rules, now, &mut todo);
                let function = Arc::new(function);
                self.restock(&line, Some(&function));
                let allowance = Allowance::default();
                allowance.set(function.rate, now);
                let deployed = Deployed { line: line.clone(), function: RwLock::new(function), allowance };
                let deployed = Arc::new(deployed);
                functions.insert(id, deployed.clone());
                self.lines.write().expect("no code panics while it holds this lock").insert(line.id(), deployed);
            }
        }
        self.act(todo);
    }

    /// See [`crate::Agent::remove`].
    pub(crate) fn remove(self: &Arc<Self>, id: &FunctionId) {
        let removed = self.functions.write().expect("no code panics while it holds this lock").remove(id);
        if let Some(deployed) = removed {
            self.close(&deployed.line, Closing::Removed);
        }
    }

    /// See [`crate::Agent::drain`].
    pub(crate) async fn drain(self: &Arc<Self>, patience: Duration) {
        self.draining.store(true, Ordering::Relaxed);
        let lines = self.pool.lines();
        for line in &lines {
            self.close(line, Closing::Draining);
        }
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            let calls: usize = lines.iter().map(|line| line.busy()).sum();
            if calls > 0 {
                tracing::warn!(calls, "calls are still in flight after {patience:?}; their containers are ended");
            }
            self.force.cancel();
            // Bounded by the grace a container has, and KILL.
            self.tasks.wait().await;
        }
        self.driver.settled().await;
        if let Some(tag) = self.tag.lock().expect("no code panics while it holds this lock").take() {
            tag.forget();
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn deployed(&self, id: &FunctionId) -> Option<Arc<Deployed>> {
        self.functions.read().expect("no code panics while it holds this lock").get(id).cloned()
    }

    /// Tells a line of something and does what follows.
    pub(crate) fn tell(self: &Arc<Self>, line: &Arc<Line>, event: Event<Waiter, Arc<Hot>>) {
        let mut todo = Todo::new();
        self.pool.on(line, event, Instant::now(), &mut todo);
        self.act(todo);
    }

    /// Does what the pool said.
    pub(crate) fn act(self: &Arc<Self>, todo: Todo<Waiter, Arc<Hot>>) {
        for (line, action) in todo {
            match action {
                Action::Freeze(id, hot) => {
                    let keeper = self.clone();
                    self.tasks.spawn_on(
                        async move {
                            let within = keeper.config.freeze_timeout;
                            // A call may have come for it meanwhile.
                            hot.freeze(within, || keeper.pool.is_frozen(&line, id)).await;
                        },
                        &self.runtime,
                    );
                }
                Action::Give(waiter, granted) => {
                    // A caller who left drops the slot, which gives it back.
                    let _left = waiter.send(Ok(Slot::new(self.clone(), line, granted)));
                }
                Action::Launch(id, waited) => {
                    self.launches.waited(waited);
                    self.launch(line, id, Vec::new(), Report::Pool);
                }
                Action::Refuse(waiter, refusal) => {
                    let _left = waiter.send(Err(fault(refusal)));
                }
                Action::Retire(_, Some(hot)) => hot.leave(),
                // A cold call's own container: the call ends it.
                Action::Retire(_, None) => {}
                Action::Wake(at) => self.ticker.wake_at(at, line.id()),
                Action::Release(_) | Action::Unwant(_) | Action::Want(_) => {
                    unreachable!("the pool keeps these to itself")
                }
            }
        }
    }

    /// Starts one container and keeps it until it ends.
    pub(crate) fn launch(
        self: &Arc<Self>,
        line: Arc<Line>,
        id: pool::ContainerId,
        env: Vec<(String, String)>,
        report: Report,
    ) {
        let Some(deployed) = self.by_line(line.id()) else {
            // Removed between the pool's word and now.
            self.tell(&line, Event::Gone(id));
            return;
        };
        let launch = Launch { keeper: self.clone(), function: deployed.function(), line, id, env };
        self.tasks.spawn_on(launch.live(report), &self.runtime);
    }

    /// A container that was made ahead, if there is one of this function as it is now. Another is made
    /// in its place.
    pub(crate) fn from_stock(self: &Arc<Self>, line: &Line, function: &Arc<Function>) -> Option<Made> {
        let made = self.stock.take(line.id(), function);
        self.fill(line.id());
        made
    }

    /// What is made ahead is from now on `function`'s, or nobody's.
    fn restock(self: &Arc<Self>, line: &Line, function: Option<&Arc<Function>>) {
        for old in self.stock.replace(line.id(), function) {
            self.tasks.spawn_on(old.discard(), &self.runtime);
        }
        self.fill(line.id());
    }

    /// Makes as many ahead as are missing, one after another. One that cannot be made is left to the
    /// next launch, which tells its caller.
    fn fill(self: &Arc<Self>, line: pool::LineId) {
        let Some(mut function) = self.stock.missing(line) else { return };
        let keeper = self.clone();
        self.tasks.spawn_on(
            async move {
                loop {
                    let mut phases = Phases::default();
                    let made = tokio::select! {
                        made = Made::make(&keeper, function.clone(), &[], &mut phases) => made,
                        // An image that is slow to come must not hold up a node that goes.
                        () = keeper.force.cancelled() => return,
                    };
                    let made = made.inspect_err(|fault| {
                        tracing::warn!(fn_id = %function.id, "a container cannot be made ahead: {fault}");
                    });
                    let failed = made.is_err();
                    if let Some(unwanted) = keeper.stock.put(line, &function, made.ok()) {
                        unwanted.discard().await;
                    }
                    if failed {
                        return;
                    }
                    match keeper.stock.missing(line) {
                        Some(next) => function = next,
                        None => return,
                    }
                }
            },
            &self.runtime,
        );
    }

    /// Ticks lines when they are due, for as long as somebody else holds the keeper.
    pub(crate) fn ticking(self: &Arc<Self>) -> impl Future<Output = ()> + use<> {
        let (ticker, keeper) = (self.ticker.clone(), Arc::downgrade(self));
        async move {
            loop {
                let id = ticker.next().await;
                let Some(keeper) = keeper.upgrade() else { return };
                if let Some(deployed) = keeper.by_line(id) {
                    keeper.tell(&deployed.line, Event::Tick);
                }
            }
        }
    }

    fn by_line(&self, id: pool::LineId) -> Option<Arc<Deployed>> {
        self.lines.read().expect("no code panics while it holds this lock").get(&id).cloned()
    }

    fn close(self: &Arc<Self>, line: &Arc<Line>, why: Closing) {
        let mut todo = Todo::new();
        self.pool.close(line, why, Instant::now(), &mut todo);
        self.act(todo);
        self.restock(line, None);
        self.lines.write().expect("no code panics while it holds this lock").remove(&line.id());
    }
}

fn fault(refusal: Refusal) -> Fault {
    match refusal {
        Refusal::Busy(why) => Fault::new(Kind::Busy).because(why),
        Refusal::Closed(Closing::Draining) => Fault::new(Kind::Draining),
        Refusal::Closed(Closing::Removed) => Fault::new(Kind::UnknownFunction).because("the function was removed"),
        Refusal::Launch(fault) => fault,
    }
}
