//! What a container may do: the one set of rules that every driver of real containers follows.
//!
//! The defaults are Fn's where Fn has the rule. A function's own memory and CPU are in its
//! [`Spec`](super::Spec); what is here holds for all functions of a node. How a rule is enforced is
//! the driver's affair, whether it is must not be: a driver that cannot hold a container to one of
//! these rules refuses to start it.

use super::process::Rlimits;

/// Where a container finds its iofs directory.
pub const IOFS: &str = "/tmp/iofs";

/// What a container may do. Plain data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sandbox {
    /// No capability, and the user and group [`Sandbox::USER`]; else the image's own user, with the
    /// engine's usual capabilities. Default true (`FN_DISABLE_UNPRIVILEGED_CONTAINERS` turns it off).
    pub unprivileged: bool,
    /// A root file system that cannot be written to. Default true (`FN_DISABLE_READONLY_ROOTFS` turns
    /// it off).
    pub read_only: bool,
    /// Bytes that fit into `/tmp`, in MB; 0: half of the host's memory, the kernel's own bound, all
    /// of it counted as the container's memory. Default 0.
    pub tmp_mb: u64,
    /// Files that fit into `/tmp`; 0: no bound of ours. Default 0 (`FN_MAX_TMPFS_INODES`).
    pub tmp_inodes: u64,
    /// Processes and threads at once. Default 50 (`FN_MAX_PIDS`).
    pub pids: u64,
    /// The limits of each process.
    pub rlimits: Rlimits,
    /// Take images that declare a `VOLUME`, which would be writable and outlive the container; else
    /// they are refused. Default false (`FN_IMAGE_ENABLE_VOLUME`).
    pub volumes: bool,
}

impl Sandbox {
    /// The user and the group of an unprivileged container.
    pub const USER: u32 = 1000;
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            unprivileged: true,
            read_only: true,
            tmp_mb: 0,
            tmp_inodes: 0,
            pids: 50,
            rlimits: Rlimits::default(),
            volumes: false,
        }
    }
}
