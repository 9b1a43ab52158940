//! The service manager, if one started us: telling it how we are.
//!
//! It listens at a socket that the environment names, and takes a few words in a datagram. Where nobody
//! listens, all of this does nothing.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use crate::config::env;
use crate::threads::Threads;

/// Where the manager listens: a path, or `@` and an abstract name.
pub(crate) const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
/// How often it wants to hear that we live, in µs,
const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
/// and of which process, where it says so.
pub(crate) const WATCHDOG_PID: &str = "WATCHDOG_PID";

/// Tells it `state`, such as `READY=1`. Nobody to tell is as good as told.
pub(crate) fn tell(state: &str) {
    let Some(path) = env::process(NOTIFY_SOCKET) else { return };
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&path),
    };
    let told = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
    if let Err(e) = told {
        tracing::warn!("cannot tell the service manager {state:?}: {e}");
    }
}

/// Tells it that we live for as long as all `threads` do, if it wants to know: a thread that hangs is
/// not heard of, and nothing more is told. Never resolves.
pub(crate) async fn show_life(threads: Arc<Threads>) {
    let Some(period) = period(&env::process, std::process::id()) else { return std::future::pending().await };
    loop {
        tokio::time::sleep(period).await;
        threads.answered().await;
        tell("WATCHDOG=1");
    }
}

/// How often it wants to hear of us; half of that, to be early. `None`: not at all.
fn period(variable: &dyn Fn(&str) -> Option<String>, we: u32) -> Option<Duration> {
    let is_for_us = variable(WATCHDOG_PID).is_none_or(|pid| pid.parse() == Ok(we));
    let micros: u64 = variable(WATCHDOG_USEC)?.parse().ok()?;
    (is_for_us && micros > 0).then(|| Duration::from_micros(micros) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_told_twice_as_often_as_it_asks_and_only_of_us() {
        let check = |micros: Option<&str>, pid: Option<&str>, expected: Option<u64>| {
            let variable = |name: &str| {
                let value = if name == WATCHDOG_USEC { micros } else { pid };
                value.map(str::to_owned)
            };
            assert_eq!(period(&variable, 7), expected.map(Duration::from_millis), "{micros:?} {pid:?}");
        };
        check(Some("20000000"), Some("7"), Some(10_000));
        check(Some("20000000"), None, Some(10_000));
        check(Some("20000000"), Some("8"), None);
        check(Some("0"), None, None);
        check(Some("often"), None, None);
        check(None, None, None);
    }
}
