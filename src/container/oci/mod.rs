//! Functions in containers of an OCI runtime's, without a daemon.
//!
//! A runtime such as `runc` turns a directory, a bundle, into a container: `config.json` says what the
//! container is, and beside it lies its root file system. Everything a daemon would do around that is
//! here, in the order to read it:
//!
//! 1. `driver` is the door: an image from the store goes in, a container comes out.
//! 2. `rules` writes the [sandbox](super::sandbox) in the runtime's words (`spec`), with the system
//!    calls that `seccomp` lists, and `init` before the function.
//! 3. `rootfs` lays an image's layers over one another, and `inside` makes room for mounts in them;
//!    `network` connects it, by `cni` if wanted; `home` is where all that is kept.
//! 4. `runtime` is the program; `start` looks for one and `probe` finds out whether it works here, by
//!    trying.
//! 5. `engine` makes a container of all that; `container` is its life, and `remains` what is to be
//!    removed after it, by us or, if we were killed, by the next agent.
//!
//! A cold start is one command, `runc run`. Two of them, `create` and `start`, would let more be done
//! ahead, and cost a third more when nothing was. What is made ahead is the bundle: it has no process.
//! The runtime stays as the container's parent. So its end and status are known as those of any child,
//! and it dies with us; with an `init` the container then does too.
//!
//! Not by root, a container is made in a namespace of users (`ids`). There are no control groups then,
//! and without them no limits of memory, CPU and processes, and no freezing: that has to be allowed
//! ([`Config::unlimited`]). Images are then one directory each, since overlay mounts are root's.
//!
//! Absent on purpose: namespaces by our own hand, terminals, hooks, and control groups of systemd's.

mod cni;
mod container;
mod driver;
mod engine;
mod groups;
mod home;
mod ids;
mod init;
mod inside;
mod netns;
mod network;
mod probe;
mod remains;
mod rootfs;
mod rules;
mod runtime;
mod seccomp;
mod spec;
mod start;
#[cfg(test)]
mod tests;
mod tool;
mod user;

pub use driver::OciDriver;
pub use init::Init;
pub use network::{Cni, Network};
pub use runtime::PassedOver;
pub use start::{Config, StartError};
