//! A command service that is being served, and a client who holds a key.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use hotfn_server::command::bind::Bind;
use hotfn_server::command::listen::Listening;
use hotfn_server::command::{Algorithm, Caller, Config, Key, Means, Mode, Secret, Service, Statement};

use crate::client::{Answer, Client};
use crate::soon;

pub(super) const KEY: &str = "s3cr3t-of-sixteen-or-more";

/// A service at an address of its own.
pub(super) struct Sidecar {
    pub(super) addr: SocketAddr,
    pub(super) service: Arc<Service>,
    pub(super) listening: Listening,
}

/// A request to be signed.
pub(super) struct Ask<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    /// What is signed of the target.
    pub(super) path: &'a str,
    pub(super) body: &'a [u8],
    pub(super) key: &'a str,
    pub(super) nonce: String,
    pub(super) timestamp: u64,
    pub(super) more: &'a str,
}

pub(super) fn config() -> Config {
    Config { keys: vec![key("default", KEY, Mode::Shell)], ..Config::default() }
}

pub(super) fn key(name: &str, secret: &str, mode: Mode) -> Arc<Key> {
    let caller = Arc::new(Caller { mode, ..Caller::new(name) });
    Arc::new(Key { name: name.into(), secret: Secret::new(secret).unwrap(), caller })
}

pub(super) fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A number that no other test has.
pub(super) fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Sidecar {
    pub(super) async fn start(config: Config) -> Self {
        Self::start_with(config, Means::default()).await
    }

    pub(super) async fn start_with(config: Config, means: Means) -> Self {
        let service = Service::start(config, means).unwrap();
        let places = [Bind::Address("127.0.0.1:0".parse().unwrap())];
        let listening = Listening::start(&places, Vec::new(), &service, None).unwrap();
        let addr = eventually("an address", || listening.local_addrs().first().copied()).await;
        Self { addr, service, listening }
    }

    pub(super) async fn send(&self, ask: &Ask<'_>) -> Answer {
        let mut client = Client::connect(self.addr).await;
        client.stream.write_all(&ask.bytes()).await.unwrap();
        client.answer().await
    }

    /// Has a command run; status and document.
    pub(super) async fn shell(&self, body: &str) -> (u16, Value) {
        told(self.send(&Ask::shell(body)).await)
    }

    /// Has a command line run that is waited for, and gives what it printed.
    pub(super) async fn output(&self, command: &str) -> String {
        let body = serde_json::json!({ "command": command, "wait": true }).to_string();
        let (status, told) = self.shell(&body).await;
        assert_eq!(status, 200, "{told}");
        told["data"]["stdout"].as_str().unwrap().to_owned()
    }

    pub(super) async fn get(&self, method: &str, target: &str) -> (u16, Value) {
        let ask = Ask { method, target, path: target, body: b"", ..Ask::shell("") };
        told(self.send(&ask).await)
    }
}

pub(super) fn told(answer: Answer) -> (u16, Value) {
    (answer.status, answer.json())
}

impl<'a> Ask<'a> {
    pub(super) fn shell(body: &'a str) -> Self {
        Self::post("/shell", body)
    }

    pub(super) fn post(target: &'a str, body: &'a str) -> Self {
        let nonce = format!("{:016x}{:016x}", std::process::id(), unique());
        Self {
            method: "POST",
            target,
            path: target,
            body: body.as_bytes(),
            key: KEY,
            nonce,
            timestamp: unix_s(),
            more: "",
        }
    }

    pub(super) fn signature(&self) -> String {
        let timestamp = self.timestamp.to_string();
        let statement = Statement {
            method: self.method,
            path: self.path,
            nonce: &self.nonce,
            timestamp: &timestamp,
            body: self.body,
        };
        Secret::new(self.key).unwrap().sign(Algorithm::Sha1, &statement)
    }

    /// The request, with another signature if one is given.
    pub(super) fn bytes_with(&self, signature: &str) -> Vec<u8> {
        let Self { method, target, body, nonce, timestamp, more, .. } = self;
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: sidecar\r\nX-Auth-Nonce: {nonce}\r\nX-Auth-Timestamp: {timestamp}\r\n\
             X-Auth-Signature: {signature}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{more}\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.bytes_with(&self.signature())
    }
}

/// Waits until something can be seen that has no event of its own.
pub(crate) async fn eventually<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    let look = async {
        loop {
            match seen() {
                Some(seen) => return seen,
                None => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), look).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Runs something that must happen within `bound`.
pub(super) async fn within<T>(bound: Duration, what: impl Future<Output = T>) -> T {
    let began = std::time::Instant::now();
    let done = soon(what).await;
    assert!(began.elapsed() < bound, "took {:?}, at most {bound:?} are right", began.elapsed());
    done
}

/// Does a process run?
pub(super) fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}
