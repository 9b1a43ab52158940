//! How an agent is to be.

use std::path::PathBuf;
use std::time::Duration;

use hotfn_exec::rules::Rules;
use hotfn_protocols::Limits;

use crate::Pace;
use crate::iofs::Root;

/// How an agent is to be: plain data, with defaults that are Fn's where Fn has the knob.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where container directories are made. Default: [`Root::usual`], in memory as a rule.
    pub iofs_root: PathBuf,
    /// What is to outlive this agent: its name, by which the next one finds what it left, and a
    /// driver's images. Made when a driver needs it. Default: `/var/lib/hotfn` for root, else
    /// `hotfn` in `XDG_STATE_HOME` or `~/.local/state`.
    pub state_dir: PathBuf,
    /// The bounds on what functions are sent and may answer.
    pub limits: Limits,
    /// How slowly a call's body may come. Default: 256 bytes a second, with 10 s of grace.
    pub body_pace: Pace,
    /// How long fetching an image may take. Default 10 min.
    pub pull_timeout: Duration,
    /// How long a container's socket may take to appear, from when it was started. Default 5 s.
    pub start_timeout: Duration,
    /// How long a container idles before it is frozen; `None`: never. Default 50 ms.
    pub freeze_idle: Option<Duration>,
    /// How long freezing or thawing may take before the container goes. Default 5 s.
    pub freeze_timeout: Duration,
    /// How long a container may take to end after it was asked to (TERM), before it is made to
    /// (KILL). Default 2 s: twice what an FDK of ours gives its shutdown hook.
    pub end_grace: Duration,
    /// The node's memory for containers, in MB; `None`: what the host and its cgroup leave.
    pub memory_mb: Option<u64>,
    /// The node's CPUs for containers, in thousandths; `None`: what the host and its cgroup leave.
    pub cpu_milli: Option<u64>,
    /// A full node refuses at once instead of letting calls wait. Default false.
    pub refuse_when_full: bool,
    /// Which programs of this host functions may run: rules for functions, by name. Default: none.
    pub exec: Rules,
    /// Most bytes of log a call may write before the rest is dropped with a notice. Default 1 MiB.
    pub log_bytes_max: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            iofs_root: Root::usual(),
            state_dir: crate::tag::usual_state(),
            limits: Limits::default(),
            body_pace: Pace::default(),
            pull_timeout: Duration::from_secs(600),
            start_timeout: Duration::from_secs(5),
            freeze_idle: Some(Duration::from_millis(50)),
            freeze_timeout: Duration::from_secs(5),
            end_grace: Duration::from_secs(2),
            memory_mb: None,
            cpu_milli: None,
            refuse_when_full: false,
            exec: Rules::default(),
            log_bytes_max: 1 << 20,
        }
    }
}
