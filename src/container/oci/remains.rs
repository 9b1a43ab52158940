//! What there is to be removed of a container, whatever became of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hotfn_exec::Child;

use super::cni::Attachment;
use super::engine::{Engine, Source};
use super::rootfs::Rootfs;
use super::{groups, home};

/// All that was made for a container. Dropping it removes it in the background.
#[derive(Debug)]
pub(super) struct Remains(Option<Parts>);

/// In the order it was made.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) engine: Arc<Engine>,
    pub(super) node: String,
    pub(super) id: String,
    /// Where the runtime keeps its notes.
    pub(super) root: PathBuf,
    pub(super) bundle: PathBuf,
    pub(super) rootfs: Option<Rootfs>,
    pub(super) attachment: Option<Attachment>,
    /// The runtime at work.
    pub(super) child: Option<Child>,
    /// Held until nothing of it is used any more.
    pub(super) source: Source,
}

impl Remains {
    pub(super) fn new(parts: Parts) -> Self {
        Self(Some(parts))
    }

    pub(super) fn parts(&mut self) -> &mut Parts {
        self.0.as_mut().expect("parts are taken only as this ends")
    }

    /// Removes everything. If the future is dropped, that goes on without it.
    pub(super) async fn clear(mut self) {
        if let Some(cleared) = self.begin() {
            // One that panicked has said so.
            let _ = cleared.await;
        }
    }

    fn begin(&mut self) -> Option<tokio::task::JoinHandle<()>> {
        let parts = self.0.take()?;
        let engine = Arc::clone(&parts.engine);
        Some(engine.remove(parts.clear()))
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        drop(self.begin());
    }
}

impl Parts {
    /// In reverse order. What cannot be removed is there for the next agent to try.
    async fn clear(mut self) {
        let (engine, id) = (&self.engine, &self.id);
        if let Some(child) = self.child.take() {
            child.end(Duration::ZERO).await;
            let deleted = engine.runtime.delete(&engine.supervisor, &self.root, id).await;
            if let Err(error) = deleted {
                tracing::warn!(container_id = %id, %error, "what the runtime made stays until the next start");
            }
            // The runtime does that, unless it was killed before it had noted the group.
            groups::remove_one(&self.node, id).await;
        }
        // Of one whose making was given up half way there is only the note.
        if let Some(attachment) = self.attachment.take().or_else(|| Attachment::of(&self.bundle)) {
            attachment.delete(&engine.supervisor, &self.bundle).await;
        }
        drop(self.rootfs.take());
        if let Err(error) = home::remove_bundle(&self.bundle) {
            tracing::warn!(container_id = %id, %error, "the directory stays until the next start");
        }
    }
}
