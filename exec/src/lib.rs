//! Running programs: for ourselves, and for others who ask over a socket.
//!
//! At the bottom is the supervisor of child processes. Whoever needs a process hands a [`Job`] to the
//! [`Supervisor`] and gets a [`Spawned`] back: the [`Child`], and our ends of its pipes. What the
//! supervisor promises of every child:
//!
//! * It is the leader of a group of its own, and of a session unless its [`Job`] says otherwise. A
//!   signal goes to the whole group.
//! * It dies with us. The kernel kills it when the *thread* that forked it ends, which is why one
//!   thread does all forking and lives as long as the process.
//! * It starts clean: the environment, limits, user and descriptors it was given and no others, no
//!   signal blocked or ignored, no privilege to be gained, but where its job says so.
//! * It is reaped once, and when it has ended what is left of its group is killed, or left to
//!   somebody who sees to it.
//! * When nobody holds its [`Child`] any more, it is killed.
//!
//! A job may ask to be let go of: to live on when we end, and to leave what it started in its group.
//!
//! What gets out of its group, by making a session of its own, is out of a supervisor's reach. It
//! still carries the environment it was started with, and by that [`strays`] finds it, also when the
//! one who started it is long dead; [`pen`] keeps it in a control group, where there may be one.
//!
//! Above that is the exec socket, by which a program of one container runs one of another as if it
//! were its own. In the order to read it: [`packet`], what is said, without a socket; [`rules`], who
//! may run what, without a process; [`server`], which decides, starts and watches; [`client`], which
//! asks and waits, and is a small program of its own.
//!
//! Absent on purpose: functions and calls, and what the bytes of a program mean. Needs Linux 5.11.

mod child;
mod children;
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
mod shelf;
pub mod strays;
mod supervisor;
mod sys;
#[cfg(test)]
mod tests;

pub use child::{Change, Child, Ended, Exit, GONE_PATIENCE};
pub use error::SpawnError;
pub use job::{Ids, Job, Label, Leads, Leftovers, Stdio};
pub use process::Moment;
pub use rustix::process::{Resource, Signal};
pub use supervisor::{Spawned, Supervisor};
pub use sys::{is_ignored, leave_terminal};
