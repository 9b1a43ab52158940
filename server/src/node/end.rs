//! How a node ends: in order, and with patience for what is under way.

use std::future::Future;
use std::time::{Duration, Instant};

use super::Node;
use super::beside::end_beside;

/// How long it may take to write down what became of the last detached calls.
const CALLS_GRACE: Duration = Duration::from_secs(5);
/// How long the last answers may take to leave, when their calls are done.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

impl Node {
    /// Leaves new connections to whoever else has the sockets, and closes those there are after their next
    /// answer.
    pub fn accept_no_more(&self) {
        self.front.leave();
        self.server.leave_paths();
        self.server.stop_accepting();
    }

    /// Ends after somebody else has begun to answer at the same socket: accepts no more, answers each
    /// connection once more and closes it, and when none is left, or patience is, ends as
    /// [`stop`](Self::stop) does.
    ///
    /// A client that keeps a connection is told with its next answer to make a new one, and loses nothing;
    /// if it were closed while idle, its next request might cross with that.
    pub async fn leave(self, hurry: impl Future<Output = ()>) {
        let mut hurry = std::pin::pin!(hurry);
        let began = Instant::now();
        self.accept_no_more();
        tokio::select! {
            () = self.server.emptied() => {}
            () = tokio::time::sleep(self.patience) => {}
            () = &mut hurry => return self.stop(std::future::ready(())).await,
        }
        let left = self.patience.saturating_sub(began.elapsed()).max(CLOSE_GRACE);
        Self { patience: left, ..self }.stop(hurry).await;
    }

    /// Ends in order: new calls are refused while those under way finish, for as long as the
    /// settings have patience or until `hurry` resolves; then the containers end; then the
    /// connections close.
    ///
    /// The port stays open to say no with a 503 until the last call is done: a balancer then takes
    /// its callers elsewhere, where a refused connection could mean anything.
    pub async fn stop(self, hurry: impl Future<Output = ()>) {
        let began = Instant::now();
        drop(self.following);
        self.front.refuse();
        self.calls.leave();
        let settled = async {
            let beside = end_beside(self.connectors.as_deref(), self.commands);
            tokio::join!(self.front.settled(), self.calls.settled(), beside);
        };
        let hurried = tokio::select! {
            () = settled => false,
            () = tokio::time::sleep(self.patience) => false,
            () = hurry => true,
        };
        let left = if hurried { Duration::ZERO } else { self.patience.saturating_sub(began.elapsed()) };
        self.agent.drain(left).await;
        self.calls.stop(CALLS_GRACE).await;
        self.server.close(CLOSE_GRACE).await;
    }
}
