//! Keeping up with a store.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::mirror::Mirror;

/// Keeps a mirror like its store, until it is dropped.
#[derive(Debug)]
pub(super) struct Following {
    pub(super) mirror: Arc<Mirror>,
    task: JoinHandle<Infallible>,
}

impl Following {
    pub(super) fn start(mirror: Arc<Mirror>) -> Self {
        let follows = mirror.clone();
        Self { mirror, task: tokio::spawn(async move { follows.follow().await }) }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}
