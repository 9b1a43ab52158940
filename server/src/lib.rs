//! The node: a front, an agent behind it, and the ways to tell them what to serve.
//!
//! Read in this order:
//!
//! * [`front`]: HTTP requests become calls, replies become answers. `conversation` is what one
//!   connection of it, or of another listener, goes through.
//! * [`access`]: who may call.
//! * [`tls`]: encrypted connections.
//! * [`config`]: what a node serves and within which bounds: file, environment, flags.
//! * [`project`] and [`build`]: a folder with a function's source, and how it becomes something
//!   that can be started.
//! * [`drivers`]: from what the config says to what makes containers; [`pulls`] shows how far the
//!   fetching of their images is.
//! * [`store`]: the functions of a server, kept in a database.
//! * [`api`]: how clients change them.
//! * [`calls`]: those whose caller does not wait, and what is known of calls afterwards.
//! * [`mirror`]: what the store holds, the node serves.
//! * [`metrics`] and [`readiness`]: what of all this can be watched from outside.
//! * [`threads`]: what connections are served on. `footprint` gives memory back that only a start needs.
//! * [`takeover`]: how one process hands all of it to the next.
//! * [`node`]: all of them together, from the first connection to the last.
//! * [`remote`]: a node elsewhere, as its clients see it.
//! * [`cli`]: the subcommands of the binary `hotfn`, a file each.
//!
//! This room reads config, builds rooms, serves and drains. It decides nothing about calls.

pub mod access;
pub mod api;
pub mod build;
pub mod calls;
pub mod cli;
pub mod command;
pub mod config;
pub mod connector;
mod conversation;
pub mod drivers;
mod footprint;
pub mod front;
mod log;
mod manager;
pub mod metrics;
pub mod mirror;
pub mod node;
mod people;
mod percent;
pub mod project;
pub mod pulls;
pub mod readiness;
pub mod remote;
pub mod store;
pub mod takeover;
pub mod threads;
pub mod tls;
