//! What a node serves, and within which bounds.
//!
//! Three layers, the later over the earlier: the config file ([`mod@file`]), the environment
//! ([`env`](mod@env)), the flags ([`Settings::or`]). What none of them says keeps the default of
//! the room that owns the knob. Everything is checked while it is read, so that a node either
//! starts as it was asked to or says which word of which line it could not follow.

mod calls;
pub mod check;
pub mod command;
pub mod connector;
mod containers;
mod deployment;
mod driver;
pub mod env;
mod exec;
pub mod file;
pub mod function;
mod node;
mod place;
mod redact;
mod secret;
mod settings;
pub mod show;

use std::path::PathBuf;

pub use calls::Calls;
pub use containers::Containers;
pub use deployment::Deployment;
pub use driver::Driver;
pub use file::{Config, LoadError, load, load_settings, parse};
pub use settings::Settings;

/// Something in a config file cannot be followed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}:{line}: {key}: {what}", .file.display())]
pub struct Refused {
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: usize,
    /// The key on that line.
    pub key: String,
    /// What is the matter with its value, and what would be right.
    pub what: String,
}
