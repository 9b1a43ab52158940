//! The runtime's language: the parts of an OCI `config.json` that we say.
//!
//! Every runtime reads the same file, described in the OCI runtime specification; the names here are
//! its names, and what we never set is not here. What is set, and why, is decided in
//! [`rules`](super::rules).

use std::path::{Path, PathBuf};

use serde::Serialize;

/// The version of the specification that all of this is in.
pub(super) const VERSION: &str = "1.0.2";

/// A container, whole.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Config {
    pub(super) oci_version: &'static str,
    pub(super) hostname: String,
    pub(super) process: Process,
    pub(super) root: Root,
    /// In the order they are made.
    pub(super) mounts: Vec<Mount>,
    pub(super) linux: Linux,
}

/// Its first process.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Process {
    pub(super) terminal: bool,
    pub(super) user: User,
    pub(super) args: Vec<String>,
    /// `NAME=VALUE`.
    pub(super) env: Vec<String>,
    pub(super) cwd: PathBuf,
    pub(super) capabilities: Capabilities,
    pub(super) rlimits: Vec<Rlimit>,
    pub(super) no_new_privileges: bool,
}

/// Whose process it is. The default is root.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// What the process may that is else for root alone. The default is nothing.
#[derive(Debug, Default, Serialize)]
pub(super) struct Capabilities {
    pub(super) bounding: &'static [&'static str],
    pub(super) effective: &'static [&'static str],
    pub(super) permitted: &'static [&'static str],
}

/// One limit of each process.
#[derive(Debug, Serialize)]
pub(super) struct Rlimit {
    #[serde(rename = "type")]
    pub(super) name: &'static str,
    pub(super) soft: u64,
    pub(super) hard: u64,
}

/// The root file system.
#[derive(Debug, Serialize)]
pub(super) struct Root {
    pub(super) path: PathBuf,
    pub(super) readonly: bool,
}

/// One mount.
#[derive(Debug, Serialize)]
pub(super) struct Mount {
    pub(super) destination: PathBuf,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) source: PathBuf,
    pub(super) options: Vec<String>,
}

impl Mount {
    /// A new file system.
    pub(super) fn new(kind: &'static str, destination: &str, options: &[&str]) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Self { destination: destination.into(), kind, source: kind.into(), options }
    }

    /// A part of the host's.
    pub(super) fn bind(source: &Path, destination: &str, options: &[&str]) -> Self {
        let options = ["bind"].iter().chain(options).map(|&option| option.to_owned()).collect();
        Self { destination: destination.into(), kind: "bind", source: source.to_owned(), options }
    }
}

/// What is Linux's own.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Linux {
    pub(super) namespaces: Vec<Namespace>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) uid_mappings: Vec<IdMapping>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) gid_mappings: Vec<IdMapping>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cgroups_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resources: Option<Resources>,
    pub(super) seccomp: Seccomp,
    pub(super) masked_paths: &'static [&'static str],
    pub(super) readonly_paths: &'static [&'static str],
}

/// A namespace of the container's own, or one that is there already.
#[derive(Debug, Serialize)]
pub(super) struct Namespace {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<PathBuf>,
}

/// Which of the host's users a range of the container's are.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IdMapping {
    #[serde(rename = "containerID")]
    pub(super) container_id: u32,
    #[serde(rename = "hostID")]
    pub(super) host_id: u32,
    pub(super) size: u32,
}

/// What its control group holds it to.
#[derive(Debug, Serialize)]
pub(super) struct Resources {
    pub(super) devices: Vec<DeviceRule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory: Option<Memory>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu: Option<Cpu>,
    pub(super) pids: Pids,
}

/// Which devices may be used beside the harmless ones that every container has.
#[derive(Debug, Serialize)]
pub(super) struct DeviceRule {
    pub(super) allow: bool,
    pub(super) access: &'static str,
}

/// In bytes.
#[derive(Debug, Serialize)]
pub(super) struct Memory {
    pub(super) limit: u64,
    /// Memory and swap together; `None` where the kernel does not count swap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) swap: Option<u64>,
}

/// In microseconds, and in 1024 shares a CPU.
#[derive(Debug, Serialize)]
pub(super) struct Cpu {
    pub(super) shares: u64,
    pub(super) quota: u64,
    pub(super) period: u64,
}

/// Processes and threads.
#[derive(Debug, Serialize)]
pub(super) struct Pids {
    pub(super) limit: u64,
}

/// Which system calls are answered how.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Seccomp {
    pub(super) default_action: &'static str,
    pub(super) default_errno_ret: u32,
    pub(super) architectures: &'static [&'static str],
    pub(super) syscalls: Vec<SyscallRule>,
}

/// One answer to some calls.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SyscallRule {
    pub(super) names: Vec<String>,
    pub(super) action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) errno_ret: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) args: Vec<SyscallArg>,
}

/// What one argument of a call must be for the rule to hold; of several, all must.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SyscallArg {
    pub(super) index: u32,
    /// What it is compared with; of [`MASKED_EQUAL`](Self::MASKED_EQUAL) the mask.
    pub(super) value: u64,
    /// Of `MASKED_EQUAL`, what the masked argument is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value_two: Option<u64>,
    pub(super) op: &'static str,
}

impl SyscallArg {
    pub(super) const EQUAL: &'static str = "SCMP_CMP_EQ";
    pub(super) const MASKED_EQUAL: &'static str = "SCMP_CMP_MASKED_EQ";
}
