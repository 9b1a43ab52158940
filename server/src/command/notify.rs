//! Telling a service manager how we are, if there is one that asks.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::config::env;

/// Tells it `state`, such as `READY=1`. Nobody to tell is as good as told.
pub(crate) fn tell(state: &str) {
    let Some(path) = env::process("NOTIFY_SOCKET") else { return };
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&path),
    };
    let told = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
    if let Err(e) = told {
        tracing::warn!("cannot tell the service manager {state:?}: {e}");
    }
}
