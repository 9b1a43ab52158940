//! What the stories of the whole system stand on.
//!
//! A story starts the programs that a user would start, does to them what the world does, and looks
//! at nothing a user could not see: answers, exit codes, processes, files. So nothing here knows the
//! insides of a room. In the order a story needs them:
//!
//! - [`binaries`] finds the programs, and builds them if nobody has;
//! - [`images`] makes container images of them;
//! - [`peers`] finds what others wrote: Python, Node and their function kits;
//! - [`skipped`] says aloud what a machine cannot tell;
//! - [`registry`] is one of images;
//! - [`program`] runs a program to its end;
//! - [`node`] runs `hotfn serve`, and takes it down again;
//! - [`client`] makes calls;
//! - [`processes`] looks at what runs, and at what it holds;
//! - [`until`] waits for an event, with a bound.
//!
//! Nothing sleeps for a fixed time, and nothing a story starts outlives it.

pub mod binaries;
pub mod client;
pub mod images;
pub mod node;
pub mod peers;
pub mod processes;
pub mod program;
pub mod registry;

mod skip;
mod wait;

pub use skip::skipped;
pub use wait::{answered, soon, until};

/// The snippets of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
