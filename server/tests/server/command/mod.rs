//! The contract's cases of host commands, by their numbers, over real sockets.

mod bounds;
mod callbacks;
mod installing;
mod machine;
mod running;
mod sidecar;
mod signing;
mod whom;

pub(crate) use sidecar::eventually;
