//! Places of calls that run, and which calls have them.
//!
//! What a node says of its calls, that it still runs them, it says of those that have a place here and of
//! no others. The store may name more: an answer of the database's can get lost, and then it says of a
//! call that it runs where nobody runs it. In time such a call is taken again, by whichever node.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedSemaphorePermit;

/// The calls that have a place: those that run, and those of which it is not written yet how they ended.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<HashSet<String>>);

/// A call's place among those that run. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    held: Arc<Held>,
    id: String,
    _permit: OwnedSemaphorePermit,
}

impl Held {
    /// Has the call `id` a place?
    pub(super) fn has(&self, id: &str) -> bool {
        self.ids_now().contains(id)
    }

    /// Has none of them one?
    pub(super) fn is_empty(&self) -> bool {
        self.ids_now().is_empty()
    }

    /// Those that have one.
    pub(super) fn ids(&self) -> Vec<String> {
        self.ids_now().iter().cloned().collect()
    }

    fn ids_now(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The call `id` has the place that `permit` is.
    pub(super) fn of(id: String, permit: OwnedSemaphorePermit, held: &Arc<Held>) -> Self {
        held.ids_now().insert(id.clone());
        Self { held: held.clone(), id, _permit: permit }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.held.ids_now().remove(&self.id);
    }
}
