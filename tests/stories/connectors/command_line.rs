//! `hotfn connect`: connectors without a node.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use hotfn_tests::{binaries, processes, program, skipped, soon};

use super::exchange;

/// A program of the story's that is ended with it.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}")))
    }

    fn connect(args: &[&str]) -> Self {
        Self::start(Command::new(binaries::program("hotfn")).arg("connect").args(args))
    }

    fn signal(&self, signal: Signal) {
        processes::signal(self.0.id(), signal);
    }

    /// Its exit code, once it has ended.
    async fn ended(mut self) -> Option<i32> {
        soon("the program to end", || self.0.try_wait().unwrap()).await.code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn there(path: &Path) {
    soon("the socket", || path.exists().then_some(())).await;
}

/// Case 1: the page's scenario, as the example has it.
#[tokio::test]
async fn the_example_exchanges_logs_and_ends() {
    let folder = TempDir::new().unwrap();
    for file in ["hotfn.toml", "in.json"] {
        fs::copy(binaries::example("connectors").join(file), folder.path().join(file)).unwrap();
    }
    let documents = fs::read_to_string(folder.path().join("in.json")).unwrap();
    let documents = documents.trim_end();
    let example = Running::connect(&["--config", folder.path().join("hotfn.toml").to_str().unwrap()]);
    for log in ["server_out.log", "client_out.log"] {
        let log = folder.path().join(log);
        let whole = || fs::read_to_string(&log).is_ok_and(|text| text.trim_end() == documents).then_some(());
        soon("all documents in the log", whole).await;
    }
    example.signal(Signal::INT);
    assert_eq!(example.ended().await, Some(0));
    assert!(!folder.path().join("echo.sock").exists());
}

/// Case 1: with nothing but a client and its file, the program ends by itself.
#[tokio::test]
async fn a_client_ends_with_its_file_and_what_its_peer_had_to_say() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let server = Running::connect(&["server", &path("s")]);
    there(&folder.path().join("s")).await;
    fs::write(folder.path().join("in"), "{\"a\":1}\n2\n").unwrap();
    let file = format!("file:{}", path("in"));
    let client = tokio::task::spawn_blocking(move || {
        program::hotfn(&["connect", "client", &path_of(&file), "--from", &file]).well().text()
    });
    assert_eq!(client.await.unwrap(), "{\"a\":1}\n2\n");
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await, Some(0));
}

/// The socket `s` beside the file that `file:PATH` names.
fn path_of(file: &str) -> String {
    Path::new(file.trim_start_matches("file:")).with_file_name("s").display().to_string()
}

#[test]
fn wrong_usage_is_told_what_would_be_right() {
    let folder = TempDir::new().unwrap();
    let nobody = folder.path().join("nobody.sock").display().to_string();
    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let (file, link) = (file.display().to_string(), link.display().to_string());
    for (args, code, told) in [
        (&["connect"][..], 2, "hotfn connect [OPTIONS] <server|client> PATH"),
        (&["connect", "sever", &nobody], 2, "[possible values: server, client]"),
        (&["connect", "server"], 2, "<PATH>"),
        (&["connect", "server", &nobody, "--codec", "jsn"], 2, "unknown codec \"jsn\"; there are"),
        (&["connect", "server", &nobody, "--pre", "lins"], 2, "unknown preprocessor \"lins\"; there are"),
        (&["connect", "server", &nobody, "--set", "x"], 2, "write it as KEY=VALUE"),
        (&["connect", "server", &nobody, "--set", "x=1"], 2, "x: unknown key"),
        (&["connect", "server", &nobody, "--set", "permissions=rw-rw"], 2, "\"rw-rw\" is not a permission"),
        (&["connect", "server", &nobody, "--set", "permissions=\"=888\""], 2, "is not a permission"),
        (&["connect", "server", &nobody, "--set", "call=a/b"], 1, "there is no function \"a/b\""),
        (&["connect", "server", &nobody, "--to", "file:/nowhere/x"], 1, "cannot write to"),
        (&["connect", "server", &nobody, "--from", "file:x"], 2, "only a client sends a file"),
        (&["connect", "server", "systemd:lines"], 1, "no socket \"lines\" was handed over"),
        (&["connect", "server", &file], 1, "exists and is not a socket"),
        (&["connect", "server", &link], 1, "exists and is not a socket"),
        (&["connect", "client", &nobody, "--from", "file:/nowhere/x"], 1, "\"/nowhere/x\""),
        (&["connect", "client", &nobody, "--set", "on_exhausted=exit"], 1, "No such file or directory"),
        (&["connect", "--config", "/nowhere.toml"], 2, "cannot read the config file /nowhere.toml"),
        (&["connect", "--config", "x", "server", &nobody], 2, "cannot be used with"),
    ] {
        let ended = program::hotfn(args);
        assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(told), "{args:?}: {}", ended.stderr);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
}

/// Case 28, across a real end: what a KILL left is no hindrance.
#[tokio::test]
async fn a_killed_ones_socket_is_taken_over() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("s");
    let killed = Running::connect(&["server", path.to_str().unwrap()]);
    there(&path).await;
    assert_eq!(exchange(&path, "1\n").await, "1\n");
    killed.signal(Signal::KILL);
    assert_eq!(killed.ended().await, None);
    assert!(path.exists(), "nobody could take it away");
    let next = Running::connect(&["server", path.to_str().unwrap(), "--set", "permissions=\"u=rw,g=r\""]);
    let has_changed = || fs::metadata(&path).is_ok_and(|meta| meta.permissions().mode() & 0o777 == 0o640);
    soon("the next one's socket", || has_changed().then_some(())).await;
    assert_eq!(exchange(&path, "2\n").await, "2\n");
    next.signal(Signal::INT);
    assert_eq!(next.ended().await, Some(0));
}

/// Case 31: a socket from systemd, of each kind that has connections.
#[tokio::test]
async fn a_socket_may_come_from_systemd() {
    let activate = "systemd-socket-activate";
    if Command::new(activate).arg("--version").stdout(Stdio::null()).status().is_err() {
        return skipped("there is no systemd-socket-activate");
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("s");
    let activated = Running::start(
        Command::new(activate).args(["--fdname=lines", "--listen"]).arg(&path).arg(binaries::program("hotfn")).args([
            "connect",
            "server",
            "systemd:lines",
        ]),
    );
    there(&path).await;
    // The first to connect has the program started.
    for text in ["1\n", "[2]\n"] {
        assert_eq!(exchange(&path, text).await, text);
    }
    activated.signal(Signal::TERM);
    assert_eq!(activated.ended().await, Some(0));
    assert!(path.exists(), "it is systemd's");
}

/// Ctrl-C waits for what is under way; a second one does not.
#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("s");
    let patient = ["--set", "drain_s=3600", "--set", "write_timeout_ms=3600000"];
    let server = Running::connect(&[&["server", path.to_str().unwrap()], &patient[..]].concat());
    there(&path).await;
    // What waits for a peer that does not read holds the end up.
    let peer = std::os::unix::net::UnixStream::connect(&path).unwrap();
    peer.set_nonblocking(true).unwrap();
    let line = format!("\"{}\"\n", "x".repeat(1000));
    let mut in_vain = 0;
    soon("the sockets to be full", || {
        in_vain += 1;
        while (&peer).write(line.as_bytes()).is_ok() {
            in_vain = 0;
        }
        (in_vain > 10).then_some(())
    })
    .await;
    server.signal(Signal::INT);
    soon("the end to begin", || (!path.exists()).then_some(())).await;
    server.signal(Signal::INT);
    assert!(server.ended().await.is_some());
}
