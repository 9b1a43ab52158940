//! hotfn keeps function containers hot and talks to them fast: the agent, as a library.
//!
//! In the order a call walks:
//!
//! 1. [`Invoke`] is the door: a [`Call`](hotfn_protocols::Call) goes in, a
//!    [`Reply`](hotfn_protocols::Reply) or a [`Fault`](hotfn_protocols::Fault) comes out.
//! 2. [`Agent`] implements it for the [`Function`]s that were deployed to it, as [`Config`] says.
//!    The `intake` sees to it that no call holds a container while it waits for its own body.
//! 3. [`pool`] decides which container serves the call, or that one must be started; `keeper` does
//!    what it decides, and `slot` is the right to one call in one container.
//! 4. `launch` is one container's life: it is `made`, with its directory ([`iofs`]) and the [`watch`]
//!    on it, by a [`container::Driver`], or was made ahead and comes from `stock`; it is started, its
//!    socket awaited, and ended in reverse order.
//! 5. `dispatch` is one call's: one slot, one of the container's `ends`, one deadline.
//!
//! The way back is a return value. Nothing deeper calls up.
//!
//! ```no_run
//! use hotfn::{Agent, Function, Invoke};
//! use hotfn_protocols::Call;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let agent = Agent::builder().start()?;
//! agent.deploy(Function::new("greet", "process:./greet"));
//! let reply = agent.invoke(Call::new("greet", "Ada")).await?;
//! println!("{:?}", reply.body.gather(1 << 20).await?);
//! agent.drain(std::time::Duration::from_secs(5)).await;
//! # Ok(())
//! # }
//! ```
//!
//! What it does not know: HTTP statuses, users, storage, other nodes.

mod agent;
mod alarm;
mod calls;
mod census;
mod cgroup;
mod config;
pub mod container;
mod descriptors;
mod dispatch;
mod ends;
mod exec;
mod forward;
mod function;
#[cfg(all(feature = "docker", any(test, feature = "fuzzing")))]
#[doc(hidden)]
pub mod fuzzing;
pub mod host;
mod hot;
mod intake;
mod invoke;
pub mod iofs;
mod keeper;
mod launch;
mod launches;
pub mod log;
mod made;
pub mod meter;
pub mod metrics;
mod pace;
mod phases;
pub mod pool;
mod rate;
mod sampler;
mod secret;
mod slot;
mod stock;
mod tag;
#[cfg(test)]
mod testing;
mod ticker;
pub mod watch;

pub use agent::{Agent, Builder, StartError};
pub use config::Config;
pub use function::Function;
pub use invoke::Invoke;
pub use pace::Pace;
pub use phases::Phases;
pub use rate::Rate;
pub use secret::Secret;
