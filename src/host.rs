//! What this host leaves for containers.
//!
//! Memory is what is available when the agent starts, or less if a control group allows less; a
//! headroom stays for the agent and everybody else. CPUs are those that the agent may run on, or
//! less if a control group allows less of their time.
//!
//! Control groups are nested, and any one above ours may be the narrowest, so each level up to the
//! root is read. Both versions are: hosts have the old one, the new one, or the two side by side
//! with the controllers shared out between them.
//!
//! All of it is text under `/proc` and `/sys`, read below a root that a test can choose. What other
//! processes of our own group use up is not subtracted: it comes and goes, and the headroom is there
//! for it.

use std::io;
use std::path::{Path, PathBuf};

mod cgroup;
#[cfg(test)]
mod tests;

/// Headroom is this part of what is usable,
const HEADROOM_PART: u64 = 10;
/// but at least this many bytes; and a node with no more than that cannot run a function,
const HEADROOM_BYTES_MIN: u64 = 256 * MB;
/// and at most this many.
const HEADROOM_BYTES_MAX: u64 = 5 * 1024 * MB;

const MB: u64 = 1 << 20;

/// What containers may have, all together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Host {
    /// Memory, in MB, headroom taken off.
    pub memory_mb: u64,
    /// CPUs, in thousandths.
    pub cpu_milli: u64,
}

/// Why that cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// A file cannot be read.
    #[error("cannot read {path:?}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// There is too little memory to run anything.
    #[error(
        "only {usable_mb} MB of memory are usable, and {} MB are kept as headroom; \
         free some, or say how much containers may have",
        HEADROOM_BYTES_MIN / MB
    )]
    TooLittleMemory {
        /// What there is, in MB.
        usable_mb: u64,
    },
    /// A file does not say what it should.
    #[error("{path:?} does not say {what}")]
    Unclear {
        /// The file.
        path: PathBuf,
        /// What it should say.
        what: &'static str,
    },
}

impl Host {
    /// Reads it from the files below `root`, which is `/` but in tests.
    ///
    /// # Errors
    /// When `/proc` does not say what it should, or there is too little memory.
    pub fn read(root: &Path) -> Result<Self, HostError> {
        let available = read(root, "proc/meminfo", "MemAvailable", available_bytes)?;
        let cpus = read(root, "proc/self/status", "Cpus_allowed_list", cpus_allowed)?;
        let limits = cgroup::limits(root);

        let usable = limits.memory_bytes.map_or(available, |limit| limit.min(available));
        let all = cpus * 1000;
        Ok(Self {
            memory_mb: without_headroom(usable)? / MB,
            cpu_milli: limits.cpu_milli.map_or(all, |limit| limit.min(all)),
        })
    }
}

fn read(root: &Path, name: &str, what: &'static str, parse: impl Fn(&str) -> Option<u64>) -> Result<u64, HostError> {
    let path = root.join(name);
    let text = std::fs::read_to_string(&path).map_err(|source| HostError::Read { path: path.clone(), source })?;
    parse(&text).ok_or(HostError::Unclear { path, what })
}

fn without_headroom(usable: u64) -> Result<u64, HostError> {
    if usable <= HEADROOM_BYTES_MIN {
        return Err(HostError::TooLittleMemory { usable_mb: usable / MB });
    }
    Ok(usable - (usable / HEADROOM_PART).clamp(HEADROOM_BYTES_MIN, HEADROOM_BYTES_MAX))
}

/// Of `/proc/meminfo`: what can be had without swapping.
fn available_bytes(meminfo: &str) -> Option<u64> {
    let kb = field(meminfo, "MemAvailable:")?.strip_suffix("kB")?;
    kb.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Of `/proc/PID/status`: how many CPUs the process may run on.
fn cpus_allowed(status: &str) -> Option<u64> {
    let mut cpus = 0;
    for range in field(status, "Cpus_allowed_list:")?.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        cpus += last.checked_sub(first)? + 1;
    }
    Some(cpus)
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}
