//! The sandbox, as a list to be read from top to bottom.
//!
//! What [`Sandbox`] asks for becomes the runtime's words here and nowhere else: who the function is
//! and what it may, what it sees of files, which namespaces it has for itself, what its control group
//! holds it to, which system calls it has.

use std::path::{Path, PathBuf};

use hotfn_exec::Resource;
use hotfn_images::ImageConfig;

use super::ids::Ids;
use super::network::Reach;
use super::spec::{
    Capabilities, Config, Cpu, DeviceRule, Linux, Memory, Mount, Namespace, Pids, Process, Resources, Rlimit, Root,
    User, VERSION,
};
use super::{init, seccomp};
use crate::container::sandbox::{IOFS, Sandbox};
use crate::container::{DriverError, Spec};

/// Where programs are looked for if the image does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Home, if nobody says: the one place there is in every image.
const HOME: &str = "/";
/// The period that a share of CPU is measured over.
const CPU_PERIOD_US: u64 = 100_000;
/// The least part of a period that the kernel gives.
const CPU_QUOTA_US_MIN: u64 = 1_000;
/// Of which one whole CPU has so many.
const CPU_SHARES: u64 = 1024;
/// The kernel takes no fewer.
const CPU_SHARES_MIN: u64 = 2;
/// What fits into `/dev/shm`, which counts as the container's memory. As Docker has it.
const SHM_OPTION: &str = "size=65536k";

/// What engines leave to root in a container: for images that run as their own user.
const USUAL_CAPABILITIES: &[&str] = &[
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// What tells about the host or its kernel, or reaches into it: nothing is there.
const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
/// What may be looked at and not turned.
const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// What is the same for all containers of a node.
#[derive(Debug)]
pub(super) struct Ground {
    /// The rules to hold to.
    pub(super) sandbox: Sandbox,
    /// The host's name, which containers are told as theirs.
    pub(super) hostname: String,
    /// The program that is a container's first process, if there is one.
    pub(super) init: Option<PathBuf>,
    /// Can a control group hold it to its limits?
    pub(super) groups: Groups,
    /// Which users its users are, where they are not the host's of the same number.
    pub(super) ids: Ids,
}

/// What control groups can be had.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Groups {
    /// None: there are no limits of memory, CPU and processes.
    None,
    /// All, and memory is counted with swap or without.
    Ours {
        /// Is it?
        swap: bool,
    },
}

/// What one container is made of.
#[derive(Debug)]
pub(super) struct Wish<'a> {
    pub(super) spec: &'a Spec,
    pub(super) image: &'a ImageConfig,
    pub(super) user: User,
    /// Where its root file system is, and may it be written to?
    pub(super) root: Root,
    pub(super) reach: &'a Reach,
    /// What becomes its `/etc/hosts`.
    pub(super) hosts: &'a Path,
}

impl Ground {
    /// Can containers of this image be made by these rules?
    ///
    /// # Errors
    /// When not; the error says why.
    pub(super) fn fits(&self, name: &str, image: &ImageConfig) -> Result<(), DriverError> {
        if let Some(volume) = image.volumes.first().filter(|_| !self.sandbox.volumes) {
            let why = format!("declares the volume {volume:?}; allow volumes, or build it without");
            return Err(DriverError::Barred { image: name.to_owned(), why });
        }
        let why = if image.entrypoint.is_empty() && image.cmd.is_empty() {
            "names no command; give it an entrypoint".to_owned()
        } else if !image.working_dir.is_empty() && !image.working_dir.starts_with('/') {
            format!("names the working directory {:?}, which is not absolute", image.working_dir)
        } else {
            return Ok(());
        };
        Err(DriverError::Image { image: name.to_owned(), why })
    }

    /// The whole description of a container of an image that [fits](Self::fits).
    pub(super) fn config(&self, wish: Wish<'_>) -> Config {
        let cwd = if wish.image.working_dir.is_empty() { "/" } else { &wish.image.working_dir };
        Config {
            oci_version: VERSION,
            hostname: self.hostname.clone(),
            process: Process {
                terminal: false,
                user: wish.user,
                args: self.command(wish.image),
                env: self.environment(&wish),
                cwd: cwd.into(),
                capabilities: self.capabilities(wish.user),
                rlimits: self.rlimits(wish.spec),
                no_new_privileges: self.sandbox.unprivileged,
            },
            mounts: self.mounts(&wish),
            linux: self.linux(&wish),
            root: wish.root,
        }
    }

    /// The image's, behind the first process if that is ours.
    fn command(&self, image: &ImageConfig) -> Vec<String> {
        let init: &[&str] = if self.init.is_some() { &init::COMMAND } else { &[] };
        let image = image.entrypoint.iter().chain(&image.cmd);
        init.iter().map(|&word| word.to_owned()).chain(image.cloned()).collect()
    }

    /// The image's, then what the agent says, which wins.
    fn environment(&self, wish: &Wish<'_>) -> Vec<String> {
        let mut env: Vec<(&str, &str)> = vec![("PATH", PATH), ("HOME", HOME), ("HOSTNAME", &self.hostname)];
        let of_image = wish.image.env.iter().filter_map(|var| var.split_once('='));
        let of_agent = wish.spec.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in of_image.chain(of_agent) {
            match env.iter_mut().find(|(known, _)| *known == name) {
                Some(known) => known.1 = value,
                None => env.push((name, value)),
            }
        }
        env.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    fn capabilities(&self, user: User) -> Capabilities {
        match (self.sandbox.unprivileged, user.uid) {
            (true, _) => Capabilities::default(),
            (false, 0) => Capabilities {
                bounding: USUAL_CAPABILITIES,
                effective: USUAL_CAPABILITIES,
                permitted: USUAL_CAPABILITIES,
            },
            // Within reach of a set-user-id program, and no further.
            (false, _) => Capabilities { bounding: USUAL_CAPABILITIES, ..Capabilities::default() },
        }
    }

    fn rlimits(&self, spec: &Spec) -> Vec<Rlimit> {
        let limits = self.sandbox.rlimits.list(spec.connections_max).into_iter();
        limits.map(|(resource, value)| Rlimit { name: rlimit(resource), soft: value, hard: value }).collect()
    }

    fn mounts(&self, wish: &Wish<'_>) -> Vec<Mount> {
        let mut tmp = vec!["nosuid".to_owned(), "nodev".to_owned(), "noexec".to_owned(), "mode=1777".to_owned()];
        if self.sandbox.tmp_mb > 0 {
            tmp.push(format!("size={}m", self.sandbox.tmp_mb));
        }
        if self.sandbox.tmp_inodes > 0 {
            tmp.push(format!("nr_inodes={}", self.sandbox.tmp_inodes));
        }
        let inert = ["nosuid", "noexec", "nodev"];
        let read_only = ["ro", "nosuid", "noexec", "nodev"];
        let mut mounts = vec![
            Mount::new("proc", "/proc", &inert),
            Mount::new("tmpfs", "/dev", &["nosuid", "noexec", "mode=755", "size=64k"]),
            Mount::new("tmpfs", "/dev/shm", &["nosuid", "noexec", "nodev", "mode=1777", SHM_OPTION]),
            Mount::new("mqueue", "/dev/mqueue", &inert),
            self.sys(wish.reach, &read_only),
            Mount { options: tmp, ..Mount::new("tmpfs", "/tmp", &[]) },
            Mount::bind(wish.hosts, "/etc/hosts", &read_only),
        ];
        if self.groups != Groups::None {
            // Runtimes of languages look here for how much memory there is.
            mounts.push(Mount::new("cgroup", "/sys/fs/cgroup", &read_only));
        }
        if *wish.reach != Reach::Nobody {
            mounts.push(Mount::bind(Path::new("/etc/resolv.conf"), "/etc/resolv.conf", &read_only));
        }
        if let Some(iofs) = &wish.spec.iofs {
            mounts.push(Mount::bind(iofs, IOFS, &["rw", "nosuid", "nodev", "noexec"]));
        }
        if let Some(program) = &self.init {
            mounts.push(Mount::bind(program, init::PLACE, &["ro", "nosuid", "nodev"]));
        }
        let volumes = wish.image.volumes.iter();
        mounts.extend(volumes.map(|volume| Mount::new("tmpfs", volume, &["nosuid", "nodev", "mode=1777"])));
        mounts
    }

    /// Its devices are of a network namespace, and to mount it takes rights over that.
    fn sys(&self, reach: &Reach, read_only: &[&str]) -> Mount {
        match reach {
            Reach::Host if !self.ids.are_the_hosts() => {
                Mount::bind(Path::new("/sys"), "/sys", &[&["rbind"], read_only].concat())
            }
            _ => Mount::new("sysfs", "/sys", read_only),
        }
    }

    fn linux(&self, wish: &Wish<'_>) -> Linux {
        let own = |kind| Namespace { kind, path: None };
        let mut namespaces = vec![own("mount"), own("pid"), own("ipc"), own("uts")];
        match wish.reach {
            Reach::Host => {}
            Reach::Nobody => namespaces.push(own("network")),
            Reach::Through(namespace) => {
                namespaces.push(Namespace { kind: "network", path: Some(namespace.clone()) });
            }
        }
        if self.groups != Groups::None {
            namespaces.push(own("cgroup"));
        }
        if !self.ids.are_the_hosts() {
            namespaces.push(own("user"));
        }
        Linux {
            namespaces,
            uid_mappings: self.ids.users.clone(),
            gid_mappings: self.ids.groups.clone(),
            cgroups_path: (self.groups != Groups::None).then(|| super::groups::path(&wish.spec.node, &wish.spec.id)),
            resources: self.resources(wish.spec),
            seccomp: seccomp::filter().clone(),
            masked_paths: MASKED,
            readonly_paths: READ_ONLY,
        }
    }

    fn resources(&self, spec: &Spec) -> Option<Resources> {
        let Groups::Ours { swap } = self.groups else { return None };
        let limit = spec.memory_mb << 20;
        let cpu = Cpu {
            shares: (spec.cpu_milli * CPU_SHARES / 1000).max(CPU_SHARES_MIN),
            quota: (spec.cpu_milli * CPU_PERIOD_US / 1000).max(CPU_QUOTA_US_MIN),
            period: CPU_PERIOD_US,
        };
        Some(Resources {
            devices: vec![DeviceRule { allow: false, access: "rwm" }],
            memory: (limit > 0).then_some(Memory { limit, swap: swap.then_some(limit) }),
            cpu: (spec.cpu_milli > 0).then_some(cpu),
            // The first process is ours, and none of the function's.
            pids: Pids { limit: self.sandbox.pids + u64::from(self.init.is_some()) },
        })
    }
}

fn rlimit(resource: Resource) -> &'static str {
    match resource {
        Resource::Core => "RLIMIT_CORE",
        Resource::Memlock => "RLIMIT_MEMLOCK",
        Resource::Msgqueue => "RLIMIT_MSGQUEUE",
        Resource::Nofile => "RLIMIT_NOFILE",
        Resource::Sigpending => "RLIMIT_SIGPENDING",
        other => unreachable!("no rule limits {other:?}"),
    }
}
