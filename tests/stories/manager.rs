//! A node under a service manager: sockets that were opened for it, and what it tells of itself.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use hotfn_tests::client::{Connection, invoke, whole};
use hotfn_tests::node::{Function, Home, Node};
use hotfn_tests::{binaries, skipped, soon};
use rustix::process::Signal;

/// The little of a service manager that matters here: it listens, and hears what it is told.
struct Manager {
    listener: TcpListener,
    notify: UnixDatagram,
    folder: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        Self::at("127.0.0.1:0")
    }

    fn at(listen: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let notify = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        notify.set_nonblocking(true).unwrap();
        Self { listener: TcpListener::bind(listen).unwrap(), notify, folder }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// `hotfn serve` with its socket as descriptor 3, as a manager starts it: the process's number has to
    /// be in the environment, and only the process itself knows it.
    async fn start(&self, home: &Home) -> Node {
        let mut command = Command::new("sh");
        command.args(["-c", "exec 3<&0 </dev/null; LISTEN_PID=$$ exec \"$@\"", "sh"]);
        command.arg(binaries::program("hotfn")).args(["serve", "--config"]).arg(home.config());
        command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "http");
        command.env("NOTIFY_SOCKET", self.folder.path().join("notify")).env("WATCHDOG_USEC", "200000");
        command.env("TMPDIR", home.scratch()).env("FN_DB_URL", "memory");
        Node::start_on(&mut command, Stdio::from(OwnedFd::from(self.listener.try_clone().unwrap()))).await
    }

    /// Waits until it is told a word that begins like this.
    async fn hears(&self, word: &str) -> String {
        soon(&format!("to be told {word}"), || {
            let mut room = [0; 256];
            let bytes = self.notify.recv(&mut room).ok()?;
            let told = String::from_utf8_lossy(&room[..bytes]).into_owned();
            told.starts_with(word).then_some(told)
        })
        .await
    }
}

#[tokio::test]
async fn it_serves_on_the_managers_socket_and_says_how_it_is() {
    let manager = Manager::new();
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    // Who comes before the node is there waits for it.
    let mut early = Connection::open(manager.address()).await.unwrap();
    let node = manager.start(&home).await;
    assert_eq!(node.address(), manager.address());
    manager.hears("READY=1").await;
    assert_eq!(early.call(invoke("echo", whole("early"))).await.unwrap().ok().text(), "early");
    for _ in 0..3 {
        manager.hears("WATCHDOG=1").await;
    }
    node.signal(Signal::TERM);
    manager.hears("STOPPING=1").await;
    let (status, said) = node.end().await;
    assert!(status.success(), "{status}\n{said}");
    // The socket is the manager's, and was not closed with the node.
    TcpStream::connect_timeout(&manager.address(), Duration::from_secs(5)).unwrap();
    home.is_bare();
}

#[tokio::test]
async fn whether_tokens_are_needed_goes_by_where_the_managers_socket_listens() {
    let manager = Manager::at("0.0.0.0:0");
    // Which has nothing of `listen`, and alone would be for this machine.
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    let node = manager.start(&home).await;
    let mut stranger = Connection::open(manager.address()).await.unwrap();
    assert_eq!(stranger.call(invoke("echo", whole("hello"))).await.unwrap().status, 401);
    node.drain().await;
}

#[tokio::test]
async fn a_successor_becomes_the_managers_main_process() {
    let manager = Manager::new();
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    let node = manager.start(&home).await;
    manager.hears("READY=1").await;
    node.signal(Signal::USR2);
    let told = manager.hears("MAINPID=").await;
    let pid: u32 = told.trim_start_matches("MAINPID=").trim().parse().unwrap();
    assert_ne!(pid, node.pid());
    manager.hears("READY=1").await;
    node.end().await;
    manager.hears("WATCHDOG=1").await;
    hotfn_tests::processes::signal(pid, Signal::TERM);
    manager.hears("STOPPING=1").await;
    soon("its containers to end", || home.containers().is_empty().then_some(())).await;
    soon("the successor to end", || (!Path::new(&format!("/proc/{pid}")).exists()).then_some(())).await;
}

#[tokio::test]
async fn systemd_activates_it_by_its_socket() {
    if Command::new("systemd-socket-activate").arg("--version").output().is_err() {
        return skipped("there is no systemd-socket-activate; `cargo xtask test` installs it");
    }
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    // Free a moment ago, and as good as certain to be free still.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = Command::new("systemd-socket-activate");
    command.args(["--fdname=http", "-l", &address.to_string(), "-E", "TMPDIR", "-E", "FN_DB_URL"]);
    command.arg(binaries::program("hotfn")).args(["serve", "--config"]).arg(home.config());
    command.env("TMPDIR", home.scratch()).env("FN_DB_URL", "memory");
    // It says where it listens too, and becomes hotfn when the first connection comes.
    let node = Node::start(&mut command).await;
    assert_eq!(node.address(), address);
    assert_eq!(node.invoke("echo", "wake up").await.ok().text(), "wake up");
    node.drain().await;
    home.is_bare();
}

#[test]
fn the_units_are_well_formed() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return skipped("there is no systemd-analyze; `cargo xtask test` installs it");
    }
    let folder = tempfile::tempdir().unwrap();
    let program = binaries::program("hotfn").display().to_string();
    let units = ["hotfn.service", "hotfn.socket"].map(|name| {
        let text = fs::read_to_string(binaries::root().join("packaging/systemd").join(name)).unwrap();
        let unit = folder.path().join(name);
        fs::write(&unit, text.replace("/usr/bin/hotfn", &program)).unwrap();
        unit
    });
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&units).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr);
    // What it has to say of units that are not ours is none of our business.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("hotfn")).collect();
    assert!(verified.status.success() && ours.is_empty(), "{said}");
}
