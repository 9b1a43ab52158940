//! The connections of a connector, by number.
//!
//! A number is given to a connection when it begins and to no other while the process lives: a
//! reply that comes late finds nobody, and never somebody else.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use super::codec::Value;
use super::mailbox::Mailbox;

/// The connections that are open.
#[derive(Debug, Default)]
pub(super) struct Peers {
    open: Mutex<HashMap<u64, Arc<Mailbox>>>,
    left: Notify,
}

/// An open connection's place among them; dropping it is its end.
#[derive(Debug)]
pub(super) struct Present {
    pub(super) id: u64,
    pub(super) mailbox: Arc<Mailbox>,
    peers: Arc<Peers>,
}

/// Why nothing could be sent to a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unreachable {
    /// There is none of that number, or no more.
    #[error("there is no such connection")]
    Absent,
    /// It does not read what waits for it already.
    #[error("the connection does not read what waits for it")]
    Full,
}

impl Peers {
    /// A connection begins; `waiting_max` is how much may wait for it.
    pub(super) fn begin(self: &Arc<Self>, waiting_max: usize) -> Present {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        self.begin_with(id, Arc::new(Mailbox::new(waiting_max)))
    }

    /// A connection begins that takes what waited before it began.
    pub(super) fn begin_again(self: &Arc<Self>, mailbox: Arc<Mailbox>) -> Present {
        let id = self.begin(0).id;
        self.begin_with(id, mailbox)
    }

    fn begin_with(self: &Arc<Self>, id: u64, mailbox: Arc<Mailbox>) -> Present {
        self.lock().insert(id, mailbox.clone());
        Present { id, mailbox, peers: self.clone() }
    }

    /// Has a value sent on a connection.
    pub(super) fn send(&self, id: u64, value: Value) -> Result<(), Unreachable> {
        let mailbox = self.lock().get(&id).cloned().ok_or(Unreachable::Absent)?;
        mailbox.offer(value).map_err(|_| Unreachable::Full)
    }

    /// Has a value sent on every connection that keeps up.
    pub(super) fn send_to_all(&self, value: &Value) {
        for mailbox in self.lock().values() {
            let _ = mailbox.offer(value.clone());
        }
    }

    /// The numbers of those that are open.
    pub(super) fn ids(&self) -> Vec<u64> {
        let mut ids: Vec<_> = self.lock().keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Resolves when a connection has ended. For one who waits.
    pub(super) async fn one_left(&self) {
        self.left.notified().await;
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Mailbox>>> {
        self.open.lock().expect("no code panics while it holds this lock")
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.peers.lock().remove(&self.id);
        self.peers.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_given_once() {
        let peers = Arc::new(Peers::default());
        let (first, second) = (peers.begin(1), peers.begin(1));
        assert_ne!(first.id, second.id);
        assert_eq!(peers.ids(), [first.id, second.id]);
        let gone = first.id;
        drop(first);
        assert_ne!(peers.begin(1).id, gone);
        assert_eq!(peers.send(gone, Value::Text("late".into())), Err(Unreachable::Absent));
        assert_eq!(peers.send(second.id, Value::Text("a".into())), Ok(()));
        assert_eq!(peers.send(second.id, Value::Text("b".into())), Err(Unreachable::Full));
    }
}
