//! Nodes that share a Postgres database.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use hotfn_server::access::{Access, Tokens};
use hotfn_server::config::Settings;
use hotfn_server::drivers;
use hotfn_server::mirror::Mirror;
use hotfn_server::store::{App, Function, Store, Topic};

use super::believed;
use super::postgres::Server;
use crate::client::{Answer, ask};
use crate::soon;

/// Within what a node serves what another wrote.
const VISIBLE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn what_one_node_writes_another_serves_also_after_their_database_was_away() {
    let Some(mut server) = Server::start() else { return };
    server.database("shared");
    let (one, other) = (Node::start(&server.url("shared")).await, Node::start(&server.url("shared")).await);
    let app = one.make("/v2/apps", json!({"name": "shop"})).await;
    let function = one
        .make("/v2/fns", json!({"name": "f", "app_id": app, "image": "process:/bin/cat", "format": "default"}))
        .await;
    let trigger =
        |source: &str| json!({"name": source[1..], "app_id": app, "fn_id": function, "type": "http", "source": source});
    let made = one.make("/v2/triggers", trigger("/a")).await;
    other.serves("/t/shop/a", 200).await;
    assert_eq!(one.send("DELETE", &format!("/v2/triggers/{made}"), "").await.status, 204);
    other.serves("/t/shop/a", 404).await;

    server.stop();
    for node in [&one, &other] {
        node.says("the store is away; what was served before is served on").await;
        let call = node.send("POST", &format!("/invoke/{function}"), "on my own").await;
        assert_eq!((call.status, &*call.body), (200, "on my own"));
    }
    let refused = one.send("POST", "/v2/apps", "{\"name\":\"late\"}").await;
    assert_eq!(refused.status, 500);
    assert!(refused.body.contains("the store cannot be used"), "{}", refused.body);

    server.resume();
    one.says("the store is back").await;
    one.make("/v2/triggers", trigger("/b")).await;
    other.says("the store is back").await;
    other.serves("/t/shop/b", 200).await;
}

#[tokio::test]
async fn what_is_written_elsewhere_is_told_and_not_waited_for() {
    let Some(server) = Server::start() else { return };
    let url = server.database("told");
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { iofs: Some(folder.path().to_owned()), memory_mb: Some(64), ..Settings::default() };
    let agent = settings.agent().driver(drivers::start(&settings, &Arc::default()).await.unwrap()).start().unwrap();
    let store = Arc::new(Store::open(&url).await.unwrap());
    let mirror = Arc::new(Mirror::new(store, agent, Access::new(Tokens::Off), Arc::default()));
    let follows = mirror.clone();
    let following = tokio::spawn(async move { follows.follow().await });
    // Who is told looks by himself as well, but not while anybody waits here.
    let mut told = mirror.store().told(Topic::Definitions);
    believed(&mut told, true).await;
    let elsewhere = Store::open(&url).await.unwrap();
    let app = elsewhere.create_app(App { name: "a".to_owned(), ..App::default() }).await.unwrap().id;
    let create = async |name: &str, served: usize| {
        let (name, image) = (name.to_owned(), "process:/bin/cat".to_owned());
        let function = Function { name, image, app_id: app.clone(), memory: 1, timeout: 1, ..Function::default() };
        elsewhere.create_function(function).await.unwrap();
        soon(async {
            while mirror.functions() != served {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    };
    create("before", 1).await;
    server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'told'", "postgres");
    // The first to ask after that is told that the connection is gone.
    let _told = elsewhere.app(&app).await;
    believed(&mut told, false).await;
    believed(&mut told, true).await;
    create("after", 2).await;
    following.abort();
}

/// A node of its own process.
struct Node {
    process: Child,
    addr: SocketAddr,
    said: Arc<Mutex<Vec<String>>>,
    _folder: TempDir,
}

impl Node {
    async fn start(db: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("hotfn.toml");
        std::fs::write(&config, "[node]\nstate = \"state\"\nmemory = 256\n").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hotfn"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--db", db, "--config"]).arg(config);
        let mut process = command.env("TMPDIR", folder.path()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (hears, stderr) = (said.clone(), BufReader::new(process.stderr.take().unwrap()));
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).for_each(|line| hears.lock().unwrap().push(line))
        });
        let mut node = Self { process, addr: "127.0.0.1:0".parse().unwrap(), said, _folder: folder };
        let line = node.says("listening on http://").await;
        node.addr = line.split("http://").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        node
    }

    /// Waits until it has said a line with `text`, and gives that.
    async fn says(&self, text: &str) -> String {
        let said = soon(async {
            loop {
                let found = self.said.lock().unwrap().iter().find(|line| line.contains(text)).cloned();
                match found {
                    Some(line) => break line,
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        });
        said.await
    }

    async fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        let head = format!("{method} {path} HTTP/1.1\nHost: h\nContent-Length: {}\n\n", body.len());
        ask(self.addr, &format!("{head}{body}")).await
    }

    /// A new object's id.
    async fn make(&self, path: &str, body: Value) -> String {
        let answer = self.send("POST", path, &body.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Waits until a GET of `path` is answered with `status`, which may take a second.
    async fn serves(&self, path: &str, status: u16) {
        let began = Instant::now();
        while self.send("GET", path, "").await.status != status {
            assert!(began.elapsed() < VISIBLE, "{path} is not {status} after {VISIBLE:?}");
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
