//! How a node's containers are made: the `[containers]` table, and Fn's variables for it.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use hotfn::container::sandbox::Sandbox;
use serde::Deserialize;
use toml::Spanned;

use super::function as limit;
use super::place::Place;
use super::{Driver, Refused};

/// How containers are made, as one layer of settings says; `None` leaves a knob to the layers below.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Containers {
    /// What makes them. Default: processes.
    pub driver: Option<Driver>,
    /// How long fetching an image may take, in ms. Default 600,000.
    pub pull_timeout_ms: Option<u64>,
    /// Most bytes of images to keep; 0: no bound. Default 0.
    pub images_bytes_max: Option<u64>,
    /// Images that are kept whatever they take.
    pub images_exempt: Option<Vec<String>>,
    /// An archive of images that is loaded when the node starts.
    pub load: Option<PathBuf>,

    /// No capabilities, and user 1000. Default true.
    pub unprivileged: Option<bool>,
    /// A root file system that cannot be written to. Default true.
    pub read_only: Option<bool>,
    /// The size of `/tmp`, in MB; 0: no bound of its own. Default 0.
    pub tmp_mb: Option<u64>,
    /// Files in `/tmp`; 0: no bound. Default 0.
    pub tmp_inodes: Option<u64>,
    /// Processes at once. Default 50.
    pub pids: Option<u64>,
    /// Descriptors open at once. Default 350.
    pub open_files: Option<u64>,
    /// Memory locked against swapping, in bytes. Default 65,536.
    pub locked_bytes: Option<u64>,
    /// Signals queued. Default 5,000.
    pub pending_signals: Option<u64>,
    /// Bytes in message queues. Default 819,200.
    pub message_queue_bytes: Option<u64>,
    /// Take images that declare a volume. Default false.
    pub volumes: Option<bool>,

    /// Networks to join, the least used first; none: the driver's default.
    pub networks: Option<Vec<String>>,
    /// Where Docker's API is. Default: `DOCKER_HOST`, else the usual sockets.
    pub docker_host: Option<String>,
    /// The iofs root as the engine sees it, if it sees another file system than we do.
    pub docker_iofs: Option<PathBuf>,
    /// The value of Fn's label on Docker's containers. Default: none.
    pub docker_label: Option<String>,
    /// Credentials for registries, as JSON. Default: those in the user's `.docker/config.json`.
    pub docker_auth: Option<String>,
    /// Start containers also where they cannot be held to limits of memory, CPU and processes. Default false.
    pub unlimited: Option<bool>,
    /// The OCI runtime, by name or path. Default: the first that works here.
    pub runtime: Option<String>,
}

impl Containers {
    /// This layer, and where it says nothing the one below.
    #[must_use]
    pub fn or(self, below: Self) -> Self {
        Self {
            driver: self.driver.or(below.driver),
            pull_timeout_ms: self.pull_timeout_ms.or(below.pull_timeout_ms),
            images_bytes_max: self.images_bytes_max.or(below.images_bytes_max),
            images_exempt: self.images_exempt.or(below.images_exempt),
            load: self.load.or(below.load),
            unprivileged: self.unprivileged.or(below.unprivileged),
            read_only: self.read_only.or(below.read_only),
            tmp_mb: self.tmp_mb.or(below.tmp_mb),
            tmp_inodes: self.tmp_inodes.or(below.tmp_inodes),
            pids: self.pids.or(below.pids),
            open_files: self.open_files.or(below.open_files),
            locked_bytes: self.locked_bytes.or(below.locked_bytes),
            pending_signals: self.pending_signals.or(below.pending_signals),
            message_queue_bytes: self.message_queue_bytes.or(below.message_queue_bytes),
            volumes: self.volumes.or(below.volumes),
            networks: self.networks.or(below.networks),
            docker_host: self.docker_host.or(below.docker_host),
            docker_iofs: self.docker_iofs.or(below.docker_iofs),
            docker_label: self.docker_label.or(below.docker_label),
            docker_auth: self.docker_auth.or(below.docker_auth),
            unlimited: self.unlimited.or(below.unlimited),
            runtime: self.runtime.or(below.runtime),
        }
    }

    /// What makes containers.
    #[must_use]
    pub fn driver(&self) -> Driver {
        self.driver.unwrap_or_default()
    }

    /// How long fetching an image may take.
    #[must_use]
    pub fn pull_timeout(&self) -> Option<Duration> {
        self.pull_timeout_ms.map(Duration::from_millis)
    }

    /// What a container may do.
    #[must_use]
    pub fn sandbox(&self) -> Sandbox {
        let usual = Sandbox::default();
        let mut rlimits = usual.rlimits;
        rlimits.open_files = self.open_files.unwrap_or(rlimits.open_files);
        rlimits.locked_bytes = self.locked_bytes.unwrap_or(rlimits.locked_bytes);
        rlimits.pending_signals = self.pending_signals.unwrap_or(rlimits.pending_signals);
        rlimits.message_queue_bytes = self.message_queue_bytes.unwrap_or(rlimits.message_queue_bytes);
        Sandbox {
            unprivileged: self.unprivileged.unwrap_or(usual.unprivileged),
            read_only: self.read_only.unwrap_or(usual.read_only),
            tmp_mb: self.tmp_mb.unwrap_or(usual.tmp_mb),
            tmp_inodes: self.tmp_inodes.unwrap_or(usual.tmp_inodes),
            pids: self.pids.unwrap_or(usual.pids),
            volumes: self.volumes.unwrap_or(usual.volumes),
            rlimits,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContainersTable {
    driver: Option<Driver>,
    pull_timeout_ms: Option<Spanned<i64>>,
    images_bytes_max: Option<Spanned<i64>>,
    images_exempt: Option<Vec<String>>,
    load: Option<PathBuf>,
    unprivileged: Option<bool>,
    read_only: Option<bool>,
    tmp: Option<Spanned<i64>>,
    tmp_inodes: Option<Spanned<i64>>,
    pids: Option<Spanned<i64>>,
    open_files: Option<Spanned<i64>>,
    locked_bytes: Option<Spanned<i64>>,
    pending_signals: Option<Spanned<i64>>,
    message_queue_bytes: Option<Spanned<i64>>,
    volumes: Option<bool>,
    networks: Option<Vec<String>>,
    docker_host: Option<String>,
    docker_iofs: Option<PathBuf>,
    docker_label: Option<String>,
    unlimited: Option<bool>,
    runtime: Option<String>,
}

impl ContainersTable {
    pub(super) fn read(self, place: &Place<'_>) -> Result<Containers, Refused> {
        let number = |value, range: RangeInclusive<u64>, unit| place.number(value, range, unit);
        Ok(Containers {
            driver: self.driver,
            pull_timeout_ms: number(self.pull_timeout_ms, MS, "ms")?,
            images_bytes_max: number(self.images_bytes_max, BYTES, "bytes")?,
            images_exempt: self.images_exempt,
            load: self.load.map(|archive| place.beside(&archive)),
            unprivileged: self.unprivileged,
            read_only: self.read_only,
            tmp_mb: number(self.tmp, limit::ANY, "MB")?,
            tmp_inodes: number(self.tmp_inodes, limit::ANY, "")?,
            pids: number(self.pids, limit::SOME, "")?,
            open_files: number(self.open_files, limit::SOME, "")?,
            locked_bytes: number(self.locked_bytes, BYTES, "bytes")?,
            pending_signals: number(self.pending_signals, limit::ANY, "")?,
            message_queue_bytes: number(self.message_queue_bytes, BYTES, "bytes")?,
            volumes: self.volumes,
            networks: self.networks,
            docker_host: self.docker_host,
            docker_iofs: self.docker_iofs,
            docker_label: self.docker_label,
            // A secret, which has no place in a file that others may read: the environment has it.
            docker_auth: None,
            unlimited: self.unlimited,
            runtime: self.runtime,
        })
    }
}

const BYTES: RangeInclusive<u64> = 0..=1 << 50;
const MS: RangeInclusive<u64> = 1..=3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_says_is_the_sandboxs_own_default() {
        assert_eq!(Containers::default().sandbox(), Sandbox::default());
        let set = Containers { pids: Some(9), open_files: Some(7), unprivileged: Some(false), ..Default::default() };
        let sandbox = set.sandbox();
        assert_eq!((sandbox.pids, sandbox.rlimits.open_files, sandbox.unprivileged), (9, 7, false));
    }
}
