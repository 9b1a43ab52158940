//! The children of this program that its supervisor has started and not reaped.
//!
//! Until a child is reaped its number is nobody else's. So of the processes under these numbers
//! everything is known that we have told them, and without a look at them.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::Pid;

use crate::child::Process;

/// One list for the program, as there is one supervisor. Changed by the supervisor's thread alone.
static CHILDREN: Mutex<BTreeMap<i32, Arc<Process>>> = Mutex::new(BTreeMap::new());

/// It was started.
pub(crate) fn add(process: Arc<Process>) {
    children().insert(process.pid.as_raw_pid(), process);
}

/// It was reaped.
pub(crate) fn remove(pid: Pid) {
    children().remove(&pid.as_raw_pid());
}

/// The one of this number.
pub(crate) fn get(pid: Pid) -> Option<Arc<Process>> {
    children().get(&pid.as_raw_pid()).cloned()
}

/// Is the process of this number a child of ours, and is its label one that is `ours`? `None` if it is
/// no child of ours: then it may be anybody.
pub(crate) fn carries(pid: Pid, name: &str, ours: impl Fn(&[u8]) -> bool) -> Option<bool> {
    get(pid)?.unless_reaped(|label| label.is_some_and(|label| label.name == name && ours(label.value.as_bytes())))
}

fn children() -> MutexGuard<'static, BTreeMap<i32, Arc<Process>>> {
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}
