//! What the store holds, the node serves.
//!
//! Calls never ask the store. The agent knows every function, the front every trigger, and the gate
//! every token, and this keeps all of them as the store says: after each write of this node before
//! the write is answered, and for what other nodes write when the database tells of it, or else
//! as often as [`Told`](store::Told) says. A store that cannot be reached leaves everything as it was:
//! the node serves on, and follows when the store is back.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock, RwLockWriteGuard};
use std::time::Duration;

use tokio::sync::Mutex;

use hotfn::Agent;
use hotfn_protocols::FunctionId;

use crate::access::Access;
use crate::calls::Rules;
use crate::config::Deployment;
use crate::connector::Directory;
use crate::front::Routes;
use crate::store::{self, Change, Changes, Given, Refused, Store, Topic};

/// How often a store that is away is tried.
const TRY_EVERY: Duration = Duration::from_millis(500);

/// Keeps an agent and a front's routes as a store says.
pub struct Mirror {
    store: Arc<Store>,
    agent: Agent,
    routes: Arc<Routes>,
    access: Arc<Access>,
    /// Which functions there are, for detached calls.
    rules: Arc<Rules>,
    /// What is served, by id and by `APP/NAME`.
    names: RwLock<HashMap<String, FunctionId>>,
    state: Mutex<State>,
    /// The store could not be reached the last time it was tried, and somebody was told.
    is_lost: AtomicBool,
    /// How many functions are served.
    served: AtomicUsize,
}

#[derive(Default)]
struct State {
    /// The number of the last write that is served.
    up_to: i64,
    /// What is served, to tell a change from a note on an object, which needs no new container.
    served: HashMap<FunctionId, Deployment>,
}

impl Mirror {
    /// Of `store`, with nothing served yet.
    #[must_use]
    pub fn new(store: Arc<Store>, agent: Agent, access: Arc<Access>, rules: Arc<Rules>) -> Self {
        Self {
            store,
            agent,
            routes: Arc::default(),
            access,
            rules,
            names: RwLock::default(),
            state: Mutex::default(),
            is_lost: AtomicBool::new(false),
            served: AtomicUsize::new(0),
        }
    }

    /// What it is kept like.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The triggers, for a front.
    #[must_use]
    pub fn routes(&self) -> &Arc<Routes> {
        &self.routes
    }

    /// Who may call, for a front.
    #[must_use]
    pub fn access(&self) -> &Arc<Access> {
        &self.access
    }

    /// How many functions are served.
    #[must_use]
    pub fn functions(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }

    /// Could the store be reached the last time it was tried?
    #[must_use]
    pub fn is_up(&self) -> bool {
        !self.is_lost.load(Ordering::Relaxed)
    }

    /// Serves what was written so far. A failure is for the log: sooner or later it is made up for.
    pub async fn catch_up(&self) {
        let mut state = self.state.lock().await;
        let followed = self.follow_from(&mut state).await;
        self.served.store(state.served.len(), Ordering::Relaxed);
        let was_lost = self.is_lost.swap(followed.is_err(), Ordering::Relaxed);
        match followed {
            Ok(()) if was_lost => {
                tracing::info!("the store is back; what was written meanwhile is served now");
            }
            Ok(()) => {}
            Err(e) if was_lost => tracing::debug!("the store is still away: {e}"),
            Err(e) => {
                let why = anyhow::Error::from(e);
                tracing::warn!("the store is away; what was served before is served on: {why:#}");
            }
        }
    }

    /// Serves the functions of `given` as the store will have them once they are [given](Self::give).
    ///
    /// # Errors
    /// As [`Store::give`].
    pub async fn foresee(&self, given: &Given) -> Result<(), Refused> {
        let mut state = self.state.lock().await;
        for change in self.store.foresee(given).await? {
            if let Change::Served(deployment) = change {
                self.serve(&mut state, *deployment);
            }
        }
        self.served.store(state.served.len(), Ordering::Relaxed);
        Ok(())
    }

    /// Puts the functions of `given` into the store, and serves them as it has them.
    ///
    /// # Errors
    /// As [`Store::give`].
    pub async fn give(&self, given: &Given) -> Result<(), Refused> {
        self.store.give(given).await?;
        self.catch_up().await;
        Ok(())
    }

    /// Serves what is written from now on, by whomever.
    pub async fn follow(&self) -> Infallible {
        let mut told = self.store.told(Topic::Definitions);
        loop {
            let at_the_latest = if self.is_up() { told.look_within() } else { TRY_EVERY };
            tokio::select! {
                () = told.next() => {}
                () = tokio::time::sleep(at_the_latest) => {}
            }
            self.catch_up().await;
        }
    }

    async fn follow_from(&self, state: &mut State) -> Result<(), store::Error> {
        let Changes { up_to, is_all, changes, tokens } = self.store.changes(state.up_to).await?;
        // First: what was revoked is to open nothing, not even for as long as the rest takes.
        if let Some(tokens) = tokens {
            self.access.keep(&tokens);
        }
        let mut left: HashSet<FunctionId> =
            if is_all { state.served.keys().cloned().collect() } else { HashSet::new() };
        for change in changes {
            match change {
                Change::Gone(id) => drop(left.insert(id)),
                Change::Served(deployment) => {
                    left.remove(&deployment.function.id);
                    self.serve(state, *deployment);
                }
            }
        }
        for id in left {
            if state.served.remove(&id).is_some() {
                self.routes.put(&id, []);
                self.rules.remove(&id);
                self.agent.remove(&id);
                self.access.forget(&id);
                self.names().retain(|_, named| *named != id);
            }
        }
        state.up_to = up_to;
        Ok(())
    }

    fn serve(&self, state: &mut State, deployment: Deployment) {
        let id = deployment.function.id.clone();
        // Before it can be called: a function of no app would be anybody's.
        self.access.place(&id, &deployment.function.app_name);
        let before = state.served.get(&id);
        if before.is_none_or(|before| before.function != deployment.function) {
            self.agent.deploy(deployment.function.clone());
        }
        if before.is_none_or(|before| before.triggers != deployment.triggers) {
            self.routes.put(&id, deployment.triggers.iter().cloned());
        }
        self.rules.put(id.clone(), deployment.retries);
        let named = &deployment.function;
        let names = [id.as_str().to_owned(), format!("{}/{}", named.app_name, named.name)];
        self.names().extend(names.map(|name| (name, id.clone())));
        state.served.insert(id, deployment);
    }

    fn names(&self) -> RwLockWriteGuard<'_, HashMap<String, FunctionId>> {
        self.names.write().expect("no code panics while it holds this lock")
    }
}

impl Directory for Mirror {
    fn find(&self, name: &str) -> Option<FunctionId> {
        self.names.read().expect("no code panics while it holds this lock").get(name).cloned()
    }
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror").field("store", &self.store).finish_non_exhaustive()
    }
}
