//! hotfn keeps function containers hot and talks to them fast.

pub mod agent;
pub mod container;
mod function;
mod invoke;

pub use agent::{Agent, Builder};
pub use function::Function;
pub use invoke::Invoke;
