//! The conformance cases of exec over a socket, by number and sentence: real clients, a server in a
//! process of its own, and real terminals.

mod harness;

mod compatibility;
mod containers;
mod lifecycle;
mod server;
mod signals;
mod terminal;
