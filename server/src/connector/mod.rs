//! Connectors.

pub mod codec;
pub mod definition;
pub mod inbound;
pub mod options;
pub mod outbound;
pub mod outbox;
mod permissions;
pub mod reconnect;
pub mod stage;
pub mod trouble;
