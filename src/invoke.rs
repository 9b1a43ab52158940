//! The door.

use std::future::Future;
use std::pin::Pin;

use hotfn_protocols::{Call, Fault, Reply};

/// Whatever can answer a call: the agent of this node, a command service, another node.
///
/// Fronts hold an `Arc<dyn Invoke>` and know nothing more.
pub trait Invoke: Send + Sync {
    /// Answers one call.
    ///
    /// The reply's body may still be under way. Dropping this future, or later the body, is the
    /// caller's leaving: the work ends.
    fn invoke(&self, call: Call) -> Pin<Box<dyn Future<Output = Result<Reply, Fault>> + Send + '_>>;
}
