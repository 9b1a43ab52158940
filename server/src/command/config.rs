//! What a command service is to do, checked, and replaced as a whole when it is told anew.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::StatusCode;

use hotfn_exec::rules::{Commands, User};

use super::peer::Network;
use super::signature::{Algorithm, Secret};
use crate::tls::Trust;

/// What a command service is to do.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who may ask, each with a name for the log. None: everything but the greeting is 503.
    pub keys: Vec<Arc<Key>>,
    /// What `POST /shell` gives the command line to. Default: `/bin/sh -c`.
    pub shell: Vec<String>,
    /// From where. Empty: from anywhere, which is the default.
    pub allow_from: Vec<Network>,
    /// Users who need no signature on a unix socket. Default: none.
    pub trusted_users: Vec<u32>,
    /// What is open to them. Default: any command line.
    pub trusted_mode: Mode,
    /// The least hash that a signature may be made with. Default: SHA-1.
    pub algorithm_min: Algorithm,
    /// Where outcomes may be sent: `host`, `host:port`, or a URL that the callback begins with.
    /// Empty: anywhere in shell mode, and in list mode to the caller's own address.
    pub callback_allow: Vec<String>,
    /// Who says who answers where outcomes are sent to `https://`. Default: this machine's usual roots.
    pub callback_trust: Trust,
    /// What a callback says. Default: the pair.
    pub callback_fields: CallbackFields,
    /// Variables of every command, over the base.
    pub env: Vec<(String, String)>,
    /// What becomes of processes that a command leaves behind. Default: they stay.
    pub strays: Strays,
    /// The status of an answer whose command failed. Default: 200, since the transport worked.
    pub failure_status: Option<StatusCode>,
    /// Whether commands may gain privileges, as `sudo` does. Default: not.
    pub privileges: Privileges,
    /// As whom commands run, if not as we do. Takes root. Default: as we do.
    pub user: Option<User>,
    /// The list: commands by name.
    pub commands: Commands,
    /// Command lines that mean one of the list as they are.
    pub exact: Vec<Listed>,
    /// Where callbacks that were not delivered outlive us. Default: nowhere.
    pub state_dir: Option<PathBuf>,
    /// How much of everything.
    pub bounds: Bounds,
}

/// A key that requests are signed with.
#[derive(Clone, Debug)]
pub struct Key {
    /// For the log: two keys of one caller, an old and a new one, have two names.
    pub name: Arc<str>,
    /// The key.
    pub secret: Secret,
    /// Whose it is.
    pub caller: Arc<Caller>,
}

/// Somebody who may ask.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Callers see their own jobs and no others.
    pub name: Arc<str>,
    /// What is open to them.
    pub mode: Mode,
    /// Which commands of the list. Default: all.
    pub list: Option<Vec<String>>,
    /// Most commands at a time. Default: as many as of all callers.
    pub concurrent_max: Option<usize>,
    /// As whom their commands run. Takes root. Default: as those of all callers.
    pub user: Option<User>,
    /// How long their commands may run, if all callers' may not run for less. Default: as long as those.
    pub run_max: Option<Duration>,
}

impl Caller {
    /// Somebody of this name, with the defaults.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), mode: Mode::default(), list: None, concurrent_max: None, user: None, run_max: None }
    }
}

/// A command line that means a command of the list, without any arguments of the caller's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed {
    /// The whole of it.
    pub text: String,
    /// The command's name.
    pub name: String,
}

/// What may run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// The commands of a list, without a shell.
    List,
    /// Nothing.
    Off,
    /// Any command line.
    #[default]
    Shell,
}

/// What a callback says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum CallbackFields {
    /// Exit code, id, signal and timeout as well.
    All,
    /// `stdout` and `stderr`, since the receiving function may have just these parameters.
    #[default]
    Pair,
}

/// What becomes of processes that a command leaves behind in its group.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Strays {
    /// They are killed when the command ended.
    Kill,
    /// They stay: this is how people start something in the background.
    #[default]
    Leave,
}

/// Whether a command may gain privileges.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Privileges {
    /// By set-user-id programs, such as `sudo`.
    Gain,
    /// Never.
    #[default]
    Keep,
}

/// How much of everything. What happens at each bound stands in `docs/commands.md`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bounds {
    /// Commands at a time. Default 32.
    pub concurrent_max: usize,
    /// Commands at a time of one caller. Default 16.
    pub per_peer_max: usize,
    /// Bytes of a request's body. Default 1 MiB.
    pub body_bytes_max: u64,
    /// Bytes of a command line. Default 128 KiB.
    pub command_bytes_max: usize,
    /// Variables of a request. Default 256.
    pub envs_max: usize,
    /// Bytes kept of each stream of a command. Default 1 MiB.
    pub output_bytes_max: usize,
    /// How far a caller's clock may be off, in s. Default 60.
    pub window_s: u64,
    /// Nonces remembered, each for two windows. Default 100,000.
    pub nonces_max: usize,
    /// Bad signatures of one caller within a minute. Default 10.
    pub bad_signatures_max: u32,
    /// How long a caller may wait for a command. Default 300 s.
    pub wait_max: Duration,
    /// How long a command may run. Default: as long as it likes.
    pub run_max: Option<Duration>,
    /// How long a command has between TERM and KILL. Default 5 s.
    pub end_grace: Duration,
    /// Ended commands that can be looked up. Default 1,000.
    pub remembered_max: usize,
    /// How long they can. Default 1 h.
    pub remembered_for: Duration,
    /// Bytes of their output, all together; the oldest go first. Default 64 MiB.
    pub remembered_bytes_max: usize,
    /// Outcomes waiting to be sent. Default 1,000.
    pub callbacks_max: usize,
    /// Open connections; more are closed at once. Default 256.
    pub connections_max: usize,
    /// Bytes of a request's head. Default 16 KiB.
    pub head_bytes_max: usize,
    /// How long a request's body may take. Default 10 s.
    pub read_timeout: Duration,
    /// How long waiting callers are served when the service ends. Default 10 s.
    pub drain_patience: Duration,
}

/// The config that counts now. Whoever works by one keeps it; the next request gets the next.
#[derive(Debug)]
pub(super) struct Current(RwLock<Arc<Config>>);

impl Current {
    pub(super) fn new(config: Config) -> Self {
        Self(RwLock::new(Arc::new(config)))
    }

    pub(super) fn get(&self) -> Arc<Config> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, config: Config) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}

impl Config {
    /// The key of that name.
    pub(super) fn key(&self, name: &str) -> Option<&Arc<Key>> {
        self.keys.iter().find(|key| *key.name == *name)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            shell: ["/bin/sh", "-c"].map(str::to_owned).into(),
            allow_from: Vec::new(),
            trusted_users: Vec::new(),
            trusted_mode: Mode::default(),
            algorithm_min: Algorithm::default(),
            callback_allow: Vec::new(),
            callback_trust: Trust::default(),
            callback_fields: CallbackFields::default(),
            env: Vec::new(),
            strays: Strays::default(),
            failure_status: None,
            privileges: Privileges::default(),
            user: None,
            commands: Commands::default(),
            exact: Vec::new(),
            state_dir: None,
            bounds: Bounds::default(),
        }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            concurrent_max: 32,
            per_peer_max: 16,
            body_bytes_max: 1 << 20,
            command_bytes_max: 128 << 10,
            envs_max: 256,
            output_bytes_max: 1 << 20,
            window_s: 60,
            nonces_max: 100_000,
            bad_signatures_max: 10,
            wait_max: Duration::from_secs(300),
            run_max: None,
            end_grace: Duration::from_secs(5),
            remembered_max: 1000,
            remembered_for: Duration::from_secs(3600),
            remembered_bytes_max: 64 << 20,
            callbacks_max: 1000,
            connections_max: 256,
            head_bytes_max: 16 << 10,
            read_timeout: Duration::from_secs(10),
            drain_patience: Duration::from_secs(10),
        }
    }
}
