//! What a control group's files say of what its processes use.
//!
//! Both versions keep the same accounts in files of other names, units and forms, and a host may have some of the
//! accounts in one version and some in the other. What traffic there was is the network's to say and not the group's:
//! it is asked through any process of the group, and only if the network is not the one that we have ourselves.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::at;
use crate::cgroup::Mount;
use crate::container::usage::Usage;

/// Where a container's accounts are.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// What all paths begin with.
    root: PathBuf,
    cpu: Option<Group>,
    disk: Option<Group>,
    memory: Option<Group>,
}

/// The directory of a group.
#[derive(Clone, Debug)]
enum Group {
    V1(PathBuf),
    V2(PathBuf),
}

impl Accounts {
    /// Those of the group of process `pid`, of the container `name`.
    ///
    /// # Errors
    /// `NotFound` when the process is gone, or is in no group of that name.
    pub fn of(pid: u32, name: &str) -> io::Result<Self> {
        Self::below(Path::new("/"), pid, name)
    }

    /// The same on the files below `root`.
    pub(super) fn below(root: &Path, pid: u32, name: &str) -> io::Result<Self> {
        let groups = fs::read_to_string(root.join(format!("proc/{pid}/cgroup")))?;
        let mounts = fs::read_to_string(root.join("proc/self/mountinfo"))?;
        let mut all = Self { root: root.to_owned(), ..Self::default() };
        for mount in Mount::all(&mounts) {
            let found = |controller, v1: &str, v2: &str| {
                let place = at(root, &mount, &groups, controller, name)?;
                let (file, group): (&str, fn(PathBuf) -> Group) =
                    if mount.is_v2() { (v2, Group::V2) } else { (v1, Group::V1) };
                place.join(file).exists().then(|| group(place))
            };
            all.cpu = found("cpuacct", "cpuacct.usage", "cpu.stat").or(all.cpu);
            all.disk = found("blkio", "blkio.throttle.io_service_bytes", "io.stat").or(all.disk);
            all.memory = found("memory", "memory.usage_in_bytes", "memory.current").or(all.memory);
        }
        match (&all.cpu, &all.disk, &all.memory) {
            (None, None, None) => {
                Err(io::Error::new(io::ErrorKind::NotFound, format!("process {pid} is in no group of {name:?}")))
            }
            _ => Ok(all),
        }
    }

    /// What they say now. Reads some files, each in a few microseconds.
    #[must_use]
    pub fn read(&self) -> Usage {
        let mut usage = Usage::default();
        if let Some(group) = &self.cpu {
            (usage.cpu_total, usage.cpu_user, usage.cpu_kernel) = match group {
                Group::V1(group) => v1_cpu(&text(group, "cpuacct.usage"), &text(group, "cpuacct.stat")),
                Group::V2(group) => v2_cpu(&text(group, "cpu.stat")),
            };
        }
        if let Some(group) = &self.memory {
            let (now, max) = match group {
                Group::V1(group) => (text(group, "memory.usage_in_bytes"), text(group, "memory.limit_in_bytes")),
                Group::V2(group) => (text(group, "memory.current"), text(group, "memory.max")),
            };
            // Without a bound the old version has the greatest number there is, in whole pages.
            usage.memory_bytes = number(&now);
            usage.memory_bytes_max = number(&max).filter(|max| *max < UNBOUND);
        }
        if let Some(group) = &self.disk {
            (usage.read_bytes, usage.written_bytes) = match group {
                Group::V1(group) => v1_disk(&text(group, "blkio.throttle.io_service_bytes")),
                Group::V2(group) => v2_disk(&text(group, "io.stat")),
            };
        }
        (usage.received_bytes, usage.sent_bytes) = self.network().unwrap_or_default();
        usage
    }

    /// Bytes in and out, of a network that is not ours.
    fn network(&self) -> Option<(Option<u64>, Option<u64>)> {
        let (Group::V1(group) | Group::V2(group)) =
            [&self.memory, &self.cpu, &self.disk].into_iter().flatten().next()?;
        // Asked each time: the number of a process that is gone may be anybody's.
        let inside = text(group, "cgroup.procs");
        let process = self.root.join("proc").join(inside.lines().next()?);
        let network = fs::read_link(process.join("ns/net")).ok()?;
        let ours = fs::read_link(self.root.join("proc/self/ns/net")).ok()?;
        (network != ours).then(|| traffic(&fs::read_to_string(process.join("net/dev")).unwrap_or_default()))
    }
}

/// A bound of memory that is none.
const UNBOUND: u64 = 1 << 62;

fn text(group: &Path, file: &str) -> String {
    fs::read_to_string(group.join(file)).unwrap_or_default()
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The number behind a word.
fn member(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| number(line.strip_prefix(name)?.strip_prefix(' ')?))
}

type Cpu = (Option<Duration>, Option<Duration>, Option<Duration>);
type Bytes = (Option<u64>, Option<u64>);

/// Nanoseconds in all, and clock ticks of each kind.
fn v1_cpu(usage: &str, stat: &str) -> Cpu {
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let ticks = |name| Some(Duration::from_nanos(member(stat, name)?.saturating_mul(1_000_000_000 / ticks)));
    (number(usage).map(Duration::from_nanos), ticks("user"), ticks("system"))
}

/// Microseconds.
fn v2_cpu(stat: &str) -> Cpu {
    let micros = |name| member(stat, name).map(Duration::from_micros);
    (micros("usage_usec"), micros("user_usec"), micros("system_usec"))
}

/// `8:0 Read 4096`, one line for each disk and kind.
fn v1_disk(text: &str) -> Bytes {
    let sum = |kind: &str| {
        let of_kind = text.lines().filter_map(|line| line.split_once(' ')?.1.strip_prefix(kind)?.trim().parse().ok());
        of_kind.fold(0_u64, u64::saturating_add)
    };
    // The last line says that the account is there.
    if text.is_empty() { (None, None) } else { (Some(sum("Read ")), Some(sum("Write "))) }
}

/// `8:0 rbytes=4096 wbytes=0 …`, a line for each disk that was used.
fn v2_disk(text: &str) -> Bytes {
    let sum = |kind: &str| {
        let of_kind = text.split_ascii_whitespace().filter_map(|word| word.strip_prefix(kind)?.parse().ok());
        Some(of_kind.fold(0_u64, u64::saturating_add))
    };
    (sum("rbytes="), sum("wbytes="))
}

/// Of the text of `/proc/PID/net/dev`: what came in and went out by all devices but the loop.
fn traffic(text: &str) -> Bytes {
    let devices = text.lines().filter_map(|line| line.split_once(':')).filter(|(name, _)| name.trim() != "lo");
    let (mut received, mut sent) = (0_u64, 0_u64);
    for (_, counters) in devices {
        let counter =
            |n| counters.split_ascii_whitespace().nth(n).and_then(|text| text.parse().ok()).unwrap_or_default();
        received = received.saturating_add(counter(0));
        sent = sent.saturating_add(counter(8));
    }
    (Some(received), Some(sent))
}
