//! The front over real connections, with a double where the agent would be; and the binary's way
//! with people who get it wrong.

mod access;
mod api;
mod certificates;
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
use std::io::Write as _;
use std::time::Duration;

/// Waits for what must happen soon. The bound is generous: it is only reached by a failure.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("it did not happen within 20 s")
}

/// Says that this machine cannot tell; where everything is meant to be there, that fails. See
/// `hotfn_tests::skipped`.
fn skipped(why: &str) {
    let strict = std::env::var_os("HOTFN_NO_SKIP").is_some_and(|value| value == "1");
    assert!(!strict, "nothing may be skipped here (HOTFN_NO_SKIP=1), but {why}");
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}; `cargo xtask test` brings what is missing");
}

/// Who is root can become others.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
