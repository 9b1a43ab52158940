//! The knobs of a node.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use hotfn::Agent;
use hotfn_exec::rules::Rules;

use super::{Calls, Containers};
use crate::access::Tokens;
use crate::front::{Cors, Listen, Permissions};
use crate::threads::Threads;
use crate::{calls, front, store, tls};

/// The knobs of a node as one layer sets them; `None` leaves a knob to the layers below.
///
/// A bound of 0 means no bound, as in Fn.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Settings {
    /// Where to listen for HTTP. Default `127.0.0.1:8080`.
    pub listen: Option<Listen>,
    /// The mode of the unix sockets among these. Default 0660.
    pub listen_mode: Option<u32>,
    /// Their group. Default: that of the process.
    pub listen_group: Option<u32>,
    /// Are tokens asked for? Default: where it listens for others than this machine.
    pub tokens: Option<Tokens>,
    /// A certificate to encrypt connections with. Default: none, and nothing is encrypted.
    pub tls: Option<tls::Files>,
    /// Where a server keeps what it serves. Default: the file `hotfn.db` in the agent's state
    /// directory.
    pub db: Option<store::Url>,
    /// What functions are called by from outside. Default: the host that a request was sent to.
    pub public_url: Option<String>,
    /// Where container directories are made. Default: `TMPDIR`, else `/dev/shm`, else `/tmp`.
    pub iofs: Option<PathBuf>,
    /// The node's memory for containers, in MB; 0: what the host leaves.
    pub memory_mb: Option<u64>,
    /// The node's CPUs for containers, in thousandths; 0: what the host leaves.
    pub cpu_milli: Option<u64>,
    /// Refuse calls at once when the node is full, instead of letting them wait.
    pub refuse_when_full: Option<bool>,
    /// How long a container idles before it is frozen, in ms; negative: never.
    pub freeze_idle_ms: Option<i64>,
    /// How long a container's socket may take to appear, in ms.
    pub start_timeout_ms: Option<u64>,
    /// How long a container may take to end after it was asked to, in ms.
    pub end_grace_ms: Option<u64>,
    /// Most bytes of a request's body; 0: no bound.
    pub request_bytes_max: Option<u64>,
    /// Most bytes of a request's head.
    pub request_head_bytes_max: Option<usize>,
    /// How long a connection may take to send a request's head, in s.
    pub request_head_timeout: Option<u64>,
    /// How slowly a call's body may come, in bytes a second.
    pub request_body_pace: Option<u64>,
    /// How long it may come slower than that, in s.
    pub request_body_grace: Option<u64>,
    /// Most bytes of an answer's body; 0: no bound.
    pub response_bytes_max: Option<u64>,
    /// Most bytes of an answer's head; 0: the default.
    pub response_head_bytes_max: Option<usize>,
    /// Most bytes of log a call may write.
    pub log_bytes_max: Option<u64>,
    /// Which pages of other sites may call, and use the API.
    pub cors_origins: Option<Vec<String>>,
    /// The headers that these pages may send, besides those that any may.
    pub cors_headers: Option<Vec<String>>,
    /// Most open connections.
    pub connections_max: Option<usize>,
    /// Most detached calls that run at a time.
    pub detached_max: Option<usize>,
    /// How long calls under way may take to finish when the node ends, in s. Default 30.
    pub drain_patience: Option<u64>,
    /// Threads that serve. Default: one for each two CPUs.
    pub threads: Option<NonZeroUsize>,
    /// What is to outlive the node. Default: `/var/lib/hotfn` for root, else below the user's home.
    pub state: Option<PathBuf>,
    /// Which programs of this host functions may run. Default: none.
    pub exec: Option<Rules>,
    /// How detached calls are kept, and what is kept of calls.
    pub calls: Calls,
    /// How containers are made.
    pub containers: Containers,
}

impl Settings {
    /// This layer, and where it says nothing the one below.
    #[must_use]
    pub fn or(self, below: Self) -> Self {
        Self {
            listen: self.listen.or(below.listen),
            listen_mode: self.listen_mode.or(below.listen_mode),
            listen_group: self.listen_group.or(below.listen_group),
            tokens: self.tokens.or(below.tokens),
            tls: self.tls.or(below.tls),
            db: self.db.or(below.db),
            public_url: self.public_url.or(below.public_url),
            iofs: self.iofs.or(below.iofs),
            memory_mb: self.memory_mb.or(below.memory_mb),
            cpu_milli: self.cpu_milli.or(below.cpu_milli),
            refuse_when_full: self.refuse_when_full.or(below.refuse_when_full),
            freeze_idle_ms: self.freeze_idle_ms.or(below.freeze_idle_ms),
            start_timeout_ms: self.start_timeout_ms.or(below.start_timeout_ms),
            end_grace_ms: self.end_grace_ms.or(below.end_grace_ms),
            request_bytes_max: self.request_bytes_max.or(below.request_bytes_max),
            request_head_bytes_max: self.request_head_bytes_max.or(below.request_head_bytes_max),
            request_head_timeout: self.request_head_timeout.or(below.request_head_timeout),
            request_body_pace: self.request_body_pace.or(below.request_body_pace),
            request_body_grace: self.request_body_grace.or(below.request_body_grace),
            response_bytes_max: self.response_bytes_max.or(below.response_bytes_max),
            response_head_bytes_max: self.response_head_bytes_max.or(below.response_head_bytes_max),
            log_bytes_max: self.log_bytes_max.or(below.log_bytes_max),
            cors_origins: self.cors_origins.or(below.cors_origins),
            cors_headers: self.cors_headers.or(below.cors_headers),
            connections_max: self.connections_max.or(below.connections_max),
            detached_max: self.detached_max.or(below.detached_max),
            drain_patience: self.drain_patience.or(below.drain_patience),
            threads: self.threads.or(below.threads),
            state: self.state.or(below.state),
            exec: self.exec.or(below.exec),
            calls: self.calls.or(below.calls),
            containers: self.containers.or(below.containers),
        }
    }

    /// Where to listen.
    #[must_use]
    pub fn listen(&self) -> Listen {
        self.listen.clone().unwrap_or_default()
    }

    /// Who may connect at a unix socket.
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        let usual = Permissions::default();
        Permissions { mode: self.listen_mode.unwrap_or(usual.mode), group: self.listen_group.or(usual.group) }
    }

    /// Are tokens asked for?
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        let usual = || if self.is_public() { Tokens::Required } else { Tokens::Off };
        self.tokens.unwrap_or_else(usual)
    }

    /// Can others than this machine reach it?
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.listen().is_public()
    }

    /// Where a server keeps what it serves.
    #[must_use]
    pub fn db(&self) -> store::Url {
        let usual = || store::Url::Sqlite(self.state_dir().join(DB_FILE));
        self.db.clone().unwrap_or_else(usual)
    }

    /// How long calls under way may take to finish when the node ends.
    #[must_use]
    pub fn drain_patience(&self) -> Duration {
        Duration::from_secs(self.drain_patience.unwrap_or(30))
    }

    /// Where what is to outlive the node is kept.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.state.clone().unwrap_or_else(|| hotfn::Config::default().state_dir)
    }

    /// Where images are kept that need no engine.
    #[must_use]
    pub fn images_dir(&self) -> PathBuf {
        self.state_dir().join("images")
    }

    /// Threads that serve.
    #[must_use]
    pub fn threads(&self) -> NonZeroUsize {
        self.threads.unwrap_or_else(Threads::usual)
    }

    /// An agent like this.
    #[must_use]
    pub fn agent(&self) -> hotfn::Builder {
        let mut builder = Agent::builder();
        let config = &mut builder.config;
        put(&mut config.iofs_root, self.iofs.clone());
        put(&mut config.state_dir, self.state.clone());
        put(&mut config.pull_timeout, self.containers.pull_timeout());
        put(&mut config.memory_mb, self.memory_mb.map(bound));
        put(&mut config.cpu_milli, self.cpu_milli.map(bound));
        put(&mut config.refuse_when_full, self.refuse_when_full);
        put(
            &mut config.freeze_idle,
            self.freeze_idle_ms
                .map(|ms| u64::try_from(ms).ok().filter(|&ms| ms <= NEVER_MS).map(Duration::from_millis)),
        );
        put(&mut config.start_timeout, self.start_timeout_ms.map(Duration::from_millis));
        put(&mut config.end_grace, self.end_grace_ms.map(Duration::from_millis));
        put(&mut config.body_pace.bytes_per_second, self.request_body_pace.and_then(pace));
        put(&mut config.body_pace.grace, self.request_body_grace.map(Duration::from_secs));
        put(&mut config.limits.request_bytes_max, self.request_bytes_max.map(bound));
        put(&mut config.limits.response_bytes_max, self.response_bytes_max.map(bound));
        put(&mut config.limits.response_head_bytes_max, self.response_head_bytes_max.filter(|&max| max > 0));
        put(&mut config.log_bytes_max, self.log_bytes_max);
        put(&mut config.exec, self.exec.clone());
        builder
    }

    /// How calls are kept and run.
    #[must_use]
    pub fn calls(&self) -> calls::Config {
        let mut config = self.calls.config();
        put(&mut config.running_max, self.detached_max);
        config
    }

    /// A front like this.
    #[must_use]
    pub fn front(&self) -> front::Config {
        let mut config = front::Config::default();
        let (origins, headers) = (self.cors_origins.as_deref(), self.cors_headers.as_deref());
        config.cors = Cors::new(origins.unwrap_or_default(), headers.unwrap_or_default())
            .expect("what was read is checked where it was read");
        put(&mut config.connections_max, self.connections_max);
        put(&mut config.request_bytes_max, self.request_bytes_max.map(bound));
        put(&mut config.request_head_bytes_max, self.request_head_bytes_max);
        put(&mut config.head_timeout, self.request_head_timeout.map(Duration::from_secs));
        config
    }
}

/// The store's file, where nobody says where it is.
const DB_FILE: &str = "hotfn.db";

/// Beyond a year of idleness, "very large" means never.
const NEVER_MS: u64 = 365 * 24 * 3600 * 1000;

fn put<T>(knob: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *knob = value;
    }
}

/// The least pace that is this or says the same.
fn pace(bytes_per_second: u64) -> Option<NonZeroU32> {
    NonZeroU32::new(u32::try_from(bytes_per_second).unwrap_or(u32::MAX))
}

fn bound(value: u64) -> Option<u64> {
    (value > 0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_asked_for_where_others_can_reach_the_node() {
        let check = |listen: Option<&str>, said: Option<Tokens>, expected: Tokens| {
            let settings = Settings { listen: listen.map(|l| l.parse().unwrap()), tokens: said, ..Settings::default() };
            assert_eq!(settings.tokens(), expected, "{listen:?} {said:?}");
        };
        check(None, None, Tokens::Off);
        for own in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "unix:/run/x"] {
            check(Some(own), None, Tokens::Off);
        }
        for public in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "192.168.0.1:1", "[fe80::1]:1", "unix:/run/x,0.0.0.0:1"] {
            check(Some(public), None, Tokens::Required);
            check(Some(public), Some(Tokens::Off), Tokens::Off);
        }
        check(Some("127.0.0.1:1"), Some(Tokens::Required), Tokens::Required);
    }
}
