//! The supervisor of child processes: it starts them, signals them, ends them and reaps them.
//!
//! Whoever needs a process hands a [`Job`] to the [`Supervisor`] and gets a [`Spawned`] back: the
//! [`Child`], and our ends of its pipes. What the supervisor promises of every child:
//!
//! * It is the leader of a session and group of its own. A signal goes to the whole group.
//! * It dies with us. The kernel kills it when the *thread* that forked it ends, which is why one
//!   thread does all forking and lives as long as the process.
//! * It starts clean: the environment, limits and descriptors it was given and no others, no signal
//!   blocked or ignored, no privilege to be gained.
//! * It is reaped once, and when it has ended what is left of its group is killed.
//! * When nobody holds its [`Child`] any more, it is killed.
//!
//! What gets out of its group, by making a session of its own, is out of a supervisor's reach. It
//! still carries the environment it was started with, and by that [`strays`] finds it, also when the
//! one who started it is long dead.
//!
//! Absent on purpose: whose job it is, whether it may run, and what its bytes mean. Needs Linux 5.11.

mod child;
pub mod client;
mod error;
mod group;
mod job;
pub mod packet;
pub mod pen;
mod process;
pub mod program;
pub mod rules;
pub mod server;
pub mod strays;
mod supervisor;
mod sys;
#[cfg(test)]
mod tests;

pub use child::{Change, Child, Ended, Exit, GONE_PATIENCE};
pub use error::SpawnError;
pub use job::{Ids, Job, Leads, Leftovers, Stdio};
pub use rustix::process::{Resource, Signal};
pub use supervisor::{Spawned, Supervisor};
