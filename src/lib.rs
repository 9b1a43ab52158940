//! hotfn keeps function containers hot and talks to them fast.

pub mod agent;
mod config;
pub mod container;
mod function;
mod invoke;
pub mod pool;

pub use agent::{Agent, Builder, StartError};
pub use config::Config;
pub use function::Function;
pub use invoke::Invoke;
