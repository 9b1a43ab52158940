//! What goes on when nobody waits for it: work that an engine has begun, and removals.

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

/// Where that happens. Copies are the same place.
#[derive(Clone, Debug)]
pub(super) struct Background {
    runtime: Handle,
    tasks: TaskTracker,
}

impl Background {
    /// In the runtime that this is called on.
    pub(super) fn here() -> Self {
        Self { runtime: Handle::current(), tasks: TaskTracker::new() }
    }

    /// Does `work`.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(work, &self.runtime);
    }

    /// Does `work` in a task of its own. When nobody waits for it any more it is seen through, and its
    /// outcome is dropped, which undoes it: an engine does not stop halfway because its caller leaves.
    pub(super) fn see_through<T, W>(&self, work: W) -> impl Future<Output = T> + Send + use<T, W>
    where
        T: Send + 'static,
        W: Future<Output = T> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        // On the caller's runtime, which is where its streams are heard.
        self.tasks.spawn(async move {
            // Not heard, it is dropped here, where it is still waited for.
            let _ = tell.send(work.await);
        });
        async { told.await.expect("work in the background neither panics nor is cut off") }
    }

    /// Resolves once nothing goes on any more.
    pub(super) async fn settled(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
