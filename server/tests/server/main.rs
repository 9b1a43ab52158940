//! The front over real connections, with a double where the agent would be; and the binary's way
//! with people who get it wrong.

mod api;
mod client;
mod command;
mod command_line;
mod cors;
mod detached;
mod double;
mod drain;
mod faults;
mod leaving;
mod routes;
mod store;
mod streams;

use std::future::Future;
use std::time::Duration;

/// Waits for what must happen soon. The bound is generous: it is only reached by a failure.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("it did not happen within 20 s")
}
