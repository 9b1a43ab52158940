//! A node: `hotfn serve` with a config of the story's making.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::client::{self, Answer, Connection, whole};
use crate::{binaries, processes, soon, until};

/// How long a node may take to end after it was asked to.
const END_BOUND: Duration = Duration::from_secs(40);

/// A function as `hotfn.toml` describes it.
#[derive(Clone, Debug)]
pub struct Function {
    /// Keys and their values, as they stand in the file.
    lines: BTreeMap<String, String>,
    config: BTreeMap<String, String>,
}

impl Function {
    /// A function whose id is its name, of the app `stories`.
    #[must_use]
    pub fn new(name: &str, image: &str) -> Self {
        let function = Self { lines: BTreeMap::new(), config: BTreeMap::new() };
        function.set("app", "stories").set("name", name).set("id", name).set("image", image).set("memory", 32)
    }

    /// Sets `key`: a text, a number, or a list of texts.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        // For these three JSON and TOML agree.
        self.lines.insert(key.to_owned(), value.into().to_string());
        self
    }

    /// Adds to the function's environment.
    #[must_use]
    pub fn config(mut self, key: &str, value: &str) -> Self {
        self.config.insert(key.to_owned(), Value::from(value).to_string());
        self
    }

    fn to_toml(&self, mark: &str) -> String {
        let mut toml = String::from("[[function]]\n");
        for (key, value) in &self.lines {
            let _ = writeln!(toml, "{key} = {value}");
        }
        toml.push_str("[function.config]\n");
        for (key, value) in &self.config {
            let _ = writeln!(toml, "{key} = {value}");
        }
        let (key, value) = mark.split_once('=').expect("a mark is a variable and its value");
        let _ = writeln!(toml, "{key} = \"{value}\"\n");
        toml
    }
}

/// A place where one node after another may live: its config, and the folder for what it makes.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
    /// What the functions of its nodes have in their environment, and nobody else.
    mark: String,
}

/// A running node. Dropping it ends it at once, without grace.
#[derive(Debug)]
pub struct Node {
    child: Child,
    address: SocketAddr,
    log: Log,
}

/// What a node said on stderr and stdout, line by line.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Home {
    /// A home for `functions`, on nodes as they are by default.
    #[must_use]
    pub fn of(functions: &[Function]) -> Self {
        Self::with(&[], functions)
    }

    /// A home for `functions`, on nodes whose `[node]` table has `settings`.
    #[must_use]
    pub fn with(settings: &[(&str, i64)], functions: &[Function]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("HOTFN_STORY={}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = TempDir::with_prefix("story-").expect("the temporary folder is writable");
        fs::create_dir(folder.path().join("tmp")).expect("a new folder is writable");
        let settings = settings.iter().map(|(key, value)| format!("{key} = {value}\n"));
        let toml: String = std::iter::once("[node]\nstate = \"state\"\n".to_owned())
            .chain(settings)
            .chain(functions.iter().map(|function| function.to_toml(&mark)))
            .collect();
        fs::write(folder.path().join("hotfn.toml"), toml).expect("a new folder is writable");
        Self { folder, mark }
    }

    /// Adds tables to its nodes' config.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn add(&self, toml: &str) {
        let file = self.folder.path().join("hotfn.toml");
        let all = fs::read_to_string(&file).expect("it was written") + toml;
        fs::write(file, all).expect("it was written before");
    }

    /// Starts a node and waits until it listens.
    pub async fn start(&self) -> Node {
        self.start_with(&[]).await
    }

    /// The same with more arguments. Unless they say otherwise, what it serves is kept in memory.
    pub async fn start_with(&self, args: &[&str]) -> Node {
        self.start_at("127.0.0.1:0", args).await
    }

    /// The same at places of the story's choice, one of which is an address of this machine.
    pub async fn start_at(&self, listen: &str, args: &[&str]) -> Node {
        let mut command = Command::new(binaries::program("hotfn"));
        command.args(["serve", "--listen", listen, "--config"]).arg(self.config()).args(args);
        Node::start(command.env("TMPDIR", self.scratch()).env("FN_DB_URL", "memory")).await
    }

    /// Starts a node that takes over from `node`, and waits until it listens as well.
    pub async fn start_in_place_of(&self, node: &Node) -> Node {
        self.start_in_place_of_with(node, &[]).await
    }

    /// The same with more arguments.
    pub async fn start_in_place_of_with(&self, node: &Node, args: &[&str]) -> Node {
        node.says("ready").await;
        let mut command = Command::new(binaries::program("hotfn"));
        let address = node.address().to_string();
        command.args(["serve", "--take-over", "--listen", &address, "--config"]).arg(self.config()).args(args);
        Node::start(command.env("TMPDIR", self.scratch()).env("FN_DB_URL", "memory")).await
    }

    /// The variable in the environment of its functions, and its value.
    ///
    /// Functions of the config file have it already.
    #[must_use]
    pub fn mark(&self) -> (&str, &str) {
        self.mark.split_once('=').expect("a mark is a variable and its value")
    }

    /// Its config file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("hotfn.toml")
    }

    /// Where its nodes make whatever they make in files.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    /// The processes of its functions that run now.
    #[must_use]
    pub fn containers(&self) -> Vec<u32> {
        processes::marked(&self.mark)
    }

    /// Everything its nodes have made in files that is still there: container directories, sockets.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        everything_below(&self.scratch(), &mut found);
        found
    }

    /// Checks that its nodes left nothing behind: no process, no directory, no socket.
    ///
    /// # Panics
    /// When something is there.
    pub fn is_bare(&self) {
        let (containers, files) = (self.containers(), self.files());
        assert!(containers.is_empty() && files.is_empty(), "left behind: processes {containers:?}, files {files:?}");
    }
}

impl Node {
    /// Starts `command`, a `hotfn` that serves, and waits until it says where it listens.
    ///
    /// # Panics
    /// When it ends instead.
    pub async fn start(command: &mut Command) -> Self {
        Self::start_on(command, Stdio::null()).await
    }

    /// The same with something on its standard input.
    ///
    /// # Panics
    /// When it ends instead.
    pub async fn start_on(command: &mut Command, stdin: Stdio) -> Self {
        let mut child = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        let log = Log::default();
        log.follow(child.stdout.take().expect("its output is a pipe"));
        log.follow(child.stderr.take().expect("its errors are a pipe"));
        let address = until("the node to say where it listens", Duration::from_secs(120), || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("the node ended with {status}:\n{}", log.all());
            }
            log.lines().iter().find_map(|line| address_in(line))
        })
        .await;
        Self { child, address, log }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it said so far.
    #[must_use]
    pub fn said(&self) -> String {
        self.log.all()
    }

    /// Calls function `id` with `body` on a connection of its own.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn invoke(&self, id: &str, body: impl Into<Bytes>) -> Answer {
        self.ask(client::invoke(id, whole(body))).await
    }

    /// Makes `request` on a connection of its own.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn ask(&self, request: Request<client::Body>) -> Answer {
        let what = format!("{} {}", request.method(), request.uri());
        let answer = async { Connection::open(self.address).await?.call(request).await };
        answer.await.unwrap_or_else(|e| panic!("no answer to {what}: {e}\n{}", self.log.all()))
    }

    /// Makes a request to its API on a connection of its own.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn api(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.ask(client::api(method, path, body)).await
    }

    /// Opens a connection to it.
    ///
    /// # Panics
    /// When it does not listen.
    pub async fn connect(&self) -> Connection {
        Connection::open(self.address).await.unwrap_or_else(|e| panic!("cannot connect: {e}\n{}", self.log.all()))
    }

    /// Sends it `signal`.
    pub fn signal(&self, signal: Signal) {
        processes::signal(self.pid(), signal);
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// After 40 s.
    pub async fn end(mut self) -> (ExitStatus, String) {
        let child = &mut self.child;
        let what = "the node to end";
        let status = until(what, END_BOUND, || child.try_wait().expect("a child can be waited for")).await;
        (status, self.log.all())
    }

    /// Asks it to end with TERM, and waits until it has.
    ///
    /// # Panics
    /// When it does not, or not well.
    pub async fn drain(self) -> String {
        self.signal(Signal::TERM);
        let (status, said) = self.end().await;
        assert!(status.success(), "the node ended with {status}:\n{said}");
        said
    }

    /// Waits until it said a line with `text`, and gives that.
    pub async fn says(&self, text: &str) -> String {
        soon(&format!("the node to say {text:?}"), || self.log.lines().iter().find(|l| l.contains(text)).cloned()).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Log {
    fn follow(&self, from: impl std::io::Read + Send + 'static) {
        let log = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                log.0.lock().expect("nobody panics with the log in hand").push(line);
            }
        });
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().expect("nobody panics with the log in hand").clone()
    }

    fn all(&self) -> String {
        self.lines().join("\n")
    }
}

/// The address of this machine that `line` names.
fn address_in(line: &str) -> Option<SocketAddr> {
    let at = ["127.0.0.1:", "0.0.0.0:"].iter().find_map(|ip| line.find(ip))?;
    let end = line[at..].find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':').map_or(line.len(), |n| at + n);
    let address: SocketAddr = line[at..end].trim_end_matches(['.', ':']).parse().ok()?;
    (address.port() != 0).then_some(address)
}

/// Everything below `folder`.
fn everything_below(folder: &Path, found: &mut Vec<PathBuf>) {
    // What goes away while we look was not left behind.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        everything_below(&path, found);
        found.push(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_any_shape_gives_its_address() {
        let check = |line: &str, port: Option<u16>| assert_eq!(address_in(line).map(|a| a.port()), port, "{line}");
        check("listening on http://127.0.0.1:8080/", Some(8080));
        check(r#"{"message":"listening","address":"127.0.0.1:8080"}"#, Some(8080));
        check("\u{1b}[2mlistening\u{1b}[0m address=127.0.0.1:41234", Some(41234));
        check("listen=127.0.0.1:0", None);
        check("nothing here", None);
    }
}
