//! Connectors over real sockets, with a double where functions would be.
//!
//! The contract has 42 cases. Whichever test shows one says so by its number, here, beside the machine
//! that keeps it, or in the stories; [`every_case_is_shown_somewhere`] looks them up.

mod bounds;
mod client;
mod faults;
mod peers;
mod replies;
mod sockets;

use std::future::Future;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use hotfn::Invoke;
use hotfn_protocols::{Call, Fault, FunctionId, Reply};
use hotfn_server::connector::{Callable, Connectors, Definition, Directory, StartError, World};
use hotfn_server::threads::Threads;

/// Waits for what must happen soon. The bound is generous: it is only reached by a failure.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what).await.expect("it did not happen within 30 s")
}

/// Waits until something holds, looking again each time somebody else had a turn.
async fn until(mut holds: impl FnMut() -> bool) {
    soon(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// A place with connectors in it.
struct Stage {
    folder: TempDir,
    connectors: Arc<Connectors>,
}

impl Stage {
    /// Nobody answers calls.
    fn new() -> Self {
        Self::with(World::empty())
    }

    /// `answer` answers every call.
    fn answering<F, A>(answer: F) -> Self
    where
        F: Fn(Asked) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Reply, Fault>> + Send + 'static,
    {
        let double = Arc::new(Double(answer));
        Self::with(World { functions: Callable { invoke: double, directory: Arc::new(Everybody) }, commands: None })
    }

    fn with(world: World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let connectors = Self::connectors(&folder, world);
        Self { folder, connectors }
    }

    fn connectors(folder: &TempDir, world: World) -> Arc<Connectors> {
        let threads = Arc::new(Threads::start(NonZeroUsize::MIN).unwrap());
        Arc::new(Connectors::new(world, threads, Some(folder.path().join("state"))))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the server `lines`: JSON, a line each, with `options`.
    fn lines(&self, options: Value) -> PathBuf {
        self.start("lines", "unix_socket_server", options).unwrap();
        self.path("lines")
    }

    /// Starts a connector on the socket `lines`.
    fn start(&self, name: &str, kind: &str, options: Value) -> Result<(), StartError> {
        self.connectors.start(self.definition(name, kind, options))
    }

    fn definition(&self, name: &str, kind: &str, options: Value) -> Definition {
        let mut whole = json!({
            "type": kind,
            "codec": "json",
            "preprocessors": ["separate"],
            "postprocessors": ["separate"],
            "path": self.path("lines").to_str().unwrap(),
        });
        for (key, value) in options.as_object().unwrap() {
            whole[key] = value.clone();
        }
        let Value::Object(map) = whole else { unreachable!("it is a table") };
        Definition::read(name, map).unwrap()
    }

    /// What a connector says of itself.
    fn shown(&self, name: &str) -> Value {
        self.connectors.show(name).unwrap()
    }
}

/// A call as the double sees it.
struct Asked {
    call: Call,
}

impl Asked {
    fn body(&self) -> Bytes {
        self.call.body.as_bytes().unwrap().clone()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body()).unwrap()
    }

    fn header(&self, name: &str) -> String {
        self.call.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }
}

struct Double<F>(F);

impl<F, A> Invoke for Double<F>
where
    F: Fn(Asked) -> A + Send + Sync,
    A: Future<Output = Result<Reply, Fault>> + Send + 'static,
{
    fn invoke(&self, call: Call) -> Pin<Box<dyn Future<Output = Result<Reply, Fault>> + Send + '_>> {
        Box::pin((self.0)(Asked { call }))
    }
}

/// Knows every name.
struct Everybody;

impl Directory for Everybody {
    fn find(&self, name: &str) -> Option<FunctionId> {
        Some(name.into())
    }
}

/// A reply with a body of JSON.
fn reply(value: &Value) -> Reply {
    let mut reply = Reply { body: value.to_string().into(), ..Reply::default() };
    reply.head.headers.insert("content-type", "application/json".parse().unwrap());
    reply
}

/// A connection, as a peer has it.
struct Peer {
    lines: tokio::io::Lines<BufReader<OwnedReadHalf>>,
    write: OwnedWriteHalf,
}

impl Peer {
    async fn connect(path: &Path) -> Self {
        let stream = soon(UnixStream::connect(path)).await.unwrap();
        let (read, write) = stream.into_split();
        Self { lines: BufReader::new(read).lines(), write }
    }

    async fn send(&mut self, text: &str) {
        soon(self.write.write_all(text.as_bytes())).await.unwrap();
    }

    /// The next line, or `None` at the end.
    async fn line(&mut self) -> Option<String> {
        soon(self.lines.next_line()).await.unwrap_or_default()
    }

    async fn json(&mut self) -> Value {
        serde_json::from_str(&self.line().await.expect("a line")).unwrap()
    }

    /// Sends no more.
    async fn finish(&mut self) {
        self.write.shutdown().await.unwrap();
    }

    /// Everything until the end.
    async fn rest(mut self) -> String {
        let mut text = String::new();
        soon(self.lines.get_mut().read_to_string(&mut text)).await.unwrap();
        text
    }
}

#[test]
fn every_case_is_shown_somewhere() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let places =
        ["server/src/connector", "server/tests/connector", "tests/stories/connectors", "xtask/src/bench/connect"];
    let mut shown = std::collections::BTreeSet::new();
    for place in places {
        for text in texts_below(&project.join(place)) {
            for line in text.lines() {
                let told = line.trim_start().trim_start_matches(['/', '!']).trim_start();
                let Some(numbers) = told.strip_prefix("Case").map(|rest| rest.trim_start_matches('s')) else {
                    continue;
                };
                let numbers = numbers.split(['.', ':', ';']).next().unwrap_or_default();
                shown.extend(numbers.split([' ', ',']).filter_map(|word| word.parse::<u32>().ok()));
            }
        }
    }
    let missing: Vec<_> = (1..=42).filter(|case| !shown.contains(case)).collect();
    assert!(missing.is_empty(), "no test says that it shows {missing:?}");
}

fn texts_below(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            texts.extend(texts_below(&entry));
        } else {
            texts.extend(std::fs::read_to_string(&entry).ok());
        }
    }
    texts
}
