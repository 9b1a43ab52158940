//! Where a request comes from.

use std::net::SocketAddr;

use super::routes::Last;
use crate::access::Shown;

/// Where requests come from: what one connection knows of itself.
pub(super) struct Origin {
    pub(super) at: Place,
    pub(super) last: Last,
    pub(super) shown: Shown,
}

/// Our end of a connection.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Nothing at a unix socket.
    pub(super) local: Option<SocketAddr>,
    /// What URLs that lead here begin with.
    pub(super) scheme: &'static str,
}

impl Origin {
    pub(super) fn new(at: Place) -> Self {
        Self { at, last: Last::default(), shown: Shown::default() }
    }
}
