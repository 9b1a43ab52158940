//! Cases 21, 23, 33 to 35: the binary as a service.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tokio::io::AsyncWriteExt as _;

use super::sidecar::{Ask, KEY, eventually, told};
use crate::client::{Client, ask};
use crate::{is_root, skipped};

const HOTFN: &str = env!("CARGO_BIN_EXE_hotfn");

fn hotfn(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(HOTFN).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A `command-server` of its own process, and what it logged.
struct Running {
    child: Child,
    addr: SocketAddr,
}

impl Running {
    /// Starts `command`, which is to end in the arguments of a command server, on a free port.
    async fn start(command: &mut Command) -> Self {
        let addr = free();
        Self::at(addr, command.args(["--bind", &addr.to_string()])).await
    }

    /// Starts `command`, which is to listen at `addr`.
    async fn at(addr: SocketAddr, command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        eventually("the server", || std::net::TcpStream::connect(addr).ok()).await;
        Self { child, addr }
    }

    async fn send(&self, ask: &Ask<'_>) -> (u16, serde_json::Value) {
        let mut client = Client::connect(self.addr).await;
        client.stream.write_all(&ask.bytes()).await.unwrap();
        told(client.answer().await)
    }

    async fn output(&self, command: &str) -> String {
        let body = serde_json::json!({ "command": command }).to_string();
        let (status, answer) = self.send(&Ask::shell(&body)).await;
        assert_eq!(status, 200, "{answer}");
        answer["data"]["stdout"].as_str().unwrap().to_owned() + answer["data"]["stderr"].as_str().unwrap()
    }

    /// Ends it, and gives what it logged.
    fn end(mut self) -> String {
        let pid = rustix::process::Pid::from_raw(self.child.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert!(self.child.wait().unwrap().success(), "{log}");
        log
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that nobody has.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The program where another user may run it from; gone with the folder.
fn for_everybody() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::Builder::new().prefix("hotfn-").tempdir_in("/var/tmp").unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let program = folder.path().join("hotfn");
    std::fs::copy(HOTFN, &program).unwrap();
    (folder, program)
}

/// As somebody who is not root, and has none of root's groups.
fn as_nobody(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).arg("command-server");
    command
}

#[tokio::test]
async fn case_21_and_23_the_key_is_not_for_commands_to_read_who_run_as_the_services_user() {
    if !is_root() {
        return skipped("becoming another user takes root");
    }
    let (_folder, program) = for_everybody();
    let running = Running::start(as_nobody(&program).env("SECRET_KEY", KEY)).await;
    assert_eq!(running.output("id -u; id -g; id -G").await, "65534\n65534\n65534\n");
    let read = running.output("cat /proc/$PPID/environ /proc/$PPID/mem; env").await;
    assert!(!read.contains(KEY) && read.contains("Permission denied"), "{read}");
    assert_eq!(running.output("grep NoNewPrivs /proc/self/status").await, "NoNewPrivs:\t1\n");
    running.end();
}

#[tokio::test]
async fn a_service_that_may_not_become_the_user_says_so() {
    if !is_root() {
        return skipped("becoming another user takes root");
    }
    let (folder, program) = for_everybody();
    let config = folder.path().join("hotfn.toml");
    std::fs::write(&config, format!("[command]\nsecret_key = \"{KEY}\"\nuser = \"root\"\n")).unwrap();
    let running = Running::start(as_nobody(&program).arg("--config").arg(&config)).await;
    let (status, answer) = running.send(&Ask::shell(r#"{"command":"id -u","workdir":"/"}"#)).await;
    assert_eq!((status, answer["reason"].as_str()), (400, Some("CannotStart")), "{answer}");
    assert_eq!(answer["message"], "the service may not make it another user's");
    running.end();
}

/// As a service manager does it: it listens, and the service is started by its first caller.
#[tokio::test]
async fn a_service_manager_opens_the_sockets_and_the_first_caller_starts_the_service() {
    const ACTIVATE: &str = "systemd-socket-activate";
    if Command::new(ACTIVATE).arg("--version").stdout(Stdio::null()).status().is_err() {
        return skipped("there is no systemd-socket-activate");
    }
    let folder = tempfile::tempdir().unwrap();
    let (addr, path) = (free(), folder.path().join("command.sock"));
    let mut command = Command::new(ACTIVATE);
    command.arg("--listen").arg(addr.to_string()).arg("--listen").arg(&path);
    command.arg(format!("--setenv=SECRET_KEY={KEY}")).arg(HOTFN).args(["command-server", "--bind", "systemd"]);
    let running = Running::at(addr, &mut command).await;
    assert_eq!(running.output("echo hi").await, "hi\n");
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    crate::soon(tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\n* Version: "), "{answer}");
    running.end();
    assert!(path.exists(), "the path is the manager's, and not ours to remove");
}

#[tokio::test]
async fn case_33_reads_the_old_file_and_reads_it_again_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dataflux-func-sidecar");
    std::fs::write(&file, "BIND=127.0.0.1:1\nSECRET_KEY=the old key of this host\n").unwrap();
    let mut command = Command::new(HOTFN);
    command.arg("command-server").arg("--env-file").arg(&file);
    let running = Running::start(&mut command).await;
    let ask = |key| Ask { key, ..Ask::shell(r#"{"command":"true"}"#) };
    assert_eq!(running.send(&ask("the old key of this host")).await.0, 200);
    std::fs::write(&file, format!("SECRET_KEY={KEY}\nSECRET_KEY_PREVIOUS=the old key of this host\n")).unwrap();
    let pid = rustix::process::Pid::from_raw(running.child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    let reloaded = async { while running.send(&ask(KEY)).await.0 != 200 {} };
    tokio::time::timeout(std::time::Duration::from_secs(20), reloaded).await.unwrap();
    assert_eq!(running.send(&ask("the old key of this host")).await.0, 200);
    // A file that cannot be followed changes nothing.
    std::fs::write(&file, "BIND=nowhere\n").unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    assert_eq!(running.send(&ask(KEY)).await.0, 200);
    running.end();
}

#[tokio::test]
async fn case_35_never_writes_the_key_the_signed_text_or_a_secret_variable_to_its_log() {
    let mut command = Command::new(HOTFN);
    command.args(["--log-level", "trace", "command-server"]).env("SECRET_KEY", KEY);
    let running = Running::start(&mut command).await;
    let ask = Ask::shell(r#"{"command":"echo of-the-command","envs":["TOKEN=of-the-variable"],"odd":1}"#);
    assert_eq!(running.send(&ask).await.0, 200);
    let (nonce, signature) = (ask.nonce.clone(), ask.signature());
    assert_eq!(running.send(&Ask { key: "another key of mine", ..Ask::shell("{}") }).await.0, 401);
    let log = running.end();
    assert!(log.contains("command ended") && log.contains("odd"), "{log}");
    for secret in [KEY, "of-the-variable", "of-the-command", &nonce, &signature] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[test]
fn case_34_installs_twice_with_the_same_result_and_keeps_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    let at = |path: &str| std::fs::read(folder.path().join(path)).unwrap();
    let (code, first, _) = hotfn(&["command-server", "install", "--prefix", root, "--bind", "127.0.0.1:8099"]);
    assert_eq!(code, Some(0));
    let config = String::from_utf8(at("etc/dataflux-func-sidecar")).unwrap();
    let key = config.lines().find_map(|line| line.strip_prefix("SECRET_KEY=")).unwrap();
    assert_eq!(config, format!("BIND=127.0.0.1:8099\nSECRET_KEY={key}\n"));
    assert!(key.len() == 32 && first.contains(&format!("secret key: {key}\n")), "{first}");
    assert_eq!(at("usr/local/bin/dataflux-func-sidecar"), std::fs::read(HOTFN).unwrap());
    let unit = at("etc/systemd/system/dataflux-func-sidecar.service");

    let (code, second, _) = hotfn(&["command-server", "install", "--prefix", root]);
    assert_eq!(code, Some(0));
    assert!(!second.contains(key) && second.contains("kept"), "{second}");
    assert_eq!(at("etc/dataflux-func-sidecar"), config.as_bytes());
    assert_eq!(at("etc/systemd/system/dataflux-func-sidecar.service"), unit);
    verify(folder.path());

    let (code, rotated, _) = hotfn(&["command-server", "rotate-key", "--prefix", root]);
    let config = String::from_utf8(at("etc/dataflux-func-sidecar")).unwrap();
    assert_eq!(code, Some(0));
    assert!(config.contains(&format!("SECRET_KEY_PREVIOUS={key}\n")) && !rotated.contains(key), "{config}");

    for _ in 0..2 {
        assert_eq!(hotfn(&["command-server", "uninstall", "--prefix", root]).0, Some(0));
    }
    assert!(!folder.path().join("usr/local/bin/dataflux-func-sidecar").exists());
    assert_eq!(at("etc/dataflux-func-sidecar"), config.as_bytes());
    let (code, found, _) = hotfn(&["command-server", "doctor", "--prefix", root]);
    assert!(code == Some(1) && found.contains("wrong unit: "), "{found}");
}

/// Has the service manager's own tool read the unit, where there is one.
fn verify(root: &Path) {
    let unit = root.join("etc/systemd/system/dataflux-func-sidecar.service");
    // The tool looks whether the program is there: in the folder it is.
    let text = std::fs::read_to_string(&unit).unwrap();
    let program = root.join("usr/local/bin/dataflux-func-sidecar");
    let here = text.replace("/usr/local/bin/dataflux-func-sidecar", program.to_str().unwrap());
    let copy = root.join("dataflux-func-sidecar.service");
    std::fs::write(&copy, here.replace("User=dffs", "User=root")).unwrap();
    let Ok(output) = Command::new("systemd-analyze").arg("verify").arg("--man=no").arg(&copy).output() else {
        return skipped("there is no systemd-analyze");
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let about_us = said.lines().filter(|line| line.contains("dataflux-func-sidecar"));
    assert_eq!(about_us.collect::<Vec<_>>(), Vec::<&str>::new(), "{said}");
}

#[tokio::test]
async fn a_command_can_be_called_from_the_command_line() {
    let mut command = Command::new(HOTFN);
    let running = Running::start(command.arg("command-server").env("SECRET_KEY", KEY)).await;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, format!("{KEY}\n")).unwrap();
    let url = format!("http://{}", running.addr);
    let call = |words: &[&str]| {
        let mut args = vec!["command", "call", &url, "--key-file", key.to_str().unwrap()];
        args.extend(words);
        hotfn(&args)
    };
    let (code, out, err) = call(&["--workdir", "/usr", "-e", "A=1", "--", "pwd; echo", "$A;", "echo no >&2; exit 7"]);
    assert_eq!((code, out.as_str(), err.as_str()), (Some(7), "/usr\n1\n", "no\n"));
    let (code, out, _) = call(&["--no-wait", "--", "true"]);
    assert_eq!((code, out.trim().len()), (Some(0), 26));
    let (code, _, err) = call(&["--workdir", "/nowhere", "--", "true"]);
    assert!(code == Some(1) && err.contains("CannotStart: workdir does not exist: /nowhere"), "{err}");
    std::fs::write(&key, "another key of mine").unwrap();
    let (code, _, err) = call(&["--", "true"]);
    assert!(code == Some(1) && err.contains("Unauthorized"), "{err}");
    running.end();
}

#[tokio::test]
async fn a_service_manager_is_told_when_it_answers_and_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let mut command = Command::new(HOTFN);
    let running = Running::start(command.arg("command-server").env("NOTIFY_SOCKET", &path)).await;
    let told = || {
        let mut told = [0; 64];
        let bytes = manager.recv(&mut told).unwrap();
        String::from_utf8(told[..bytes].to_vec()).unwrap()
    };
    assert_eq!(told(), "READY=1");
    running.end();
    assert_eq!(told(), "STOPPING=1");
}

#[tokio::test]
async fn a_node_with_the_table_answers_commands_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let (node, addr) = (free(), free());
    let config = folder.path().join("hotfn.toml");
    std::fs::write(&config, format!("[command]\nbind = \"{addr}\"\nsecret_key = \"{KEY}\"\n")).unwrap();
    let mut command = Command::new(HOTFN);
    command.args(["serve", "--db", "memory", "--listen", &node.to_string(), "--config"]).arg(&config);
    let running = Running::at(addr, command.env("TMPDIR", folder.path())).await;
    assert_eq!(running.output("echo hi").await, "hi\n");
    let shown = ask(node, "GET /metrics HTTP/1.1\nHost: t\n\n").await.body;
    assert!(shown.contains("\nhotfn_command_requests_total{reason=\"Ok\"} 1\n"), "{shown}");
    running.end();
}

/// The example's module, as the platform's scripts use it.
#[tokio::test]
async fn a_python_script_gets_its_pair() {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/sidecar-python");
    let mut command = Command::new(HOTFN);
    let running = Running::start(command.arg("command-server").env("SECRET_KEY", KEY)).await;
    let script = "import sys, sidecar\n\
        client = sidecar.Sidecar(sys.argv[1], sys.argv[2])\n\
        status, told = client.shell('echo $A; pwd', wait=True, workdir='/usr', envs={'A': 'ä/1'}, timeout=20)\n\
        assert (status, told['data']['stdout'], told['data']['stderr']) == (200, 'ä/1\\n/usr\\n', ''), (status, told)\n\
        status, told = client.shell('true', wait=False, envs=['A=1'])\n\
        assert (status, told['data']['stdout']) == (200, ''), told\n\
        status, told = client.call('POST', '/shell', body={'command': 'hostname', 'wait': True})\n\
        assert told['data']['stdout'].endswith('\\n'), told\n\
        try:\n\
        \x20   sidecar.Sidecar(sys.argv[1], 'another').shell('true')\n\
        except sidecar.SidecarError as e:\n\
        \x20   assert e.status == 401, e\n\
        else:\n\
        \x20   raise AssertionError('a wrong key was let in')\n\
        print('well')\n";
    let mut python = Command::new("python3");
    python.args(["-c", script, &format!("http://{}", running.addr), KEY]).env("PYTHONPATH", module);
    python.stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = python.spawn() else { return skipped("there is no python3") };
    let line = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        child.wait().unwrap();
        (line, said)
    });
    let (line, said) = line.await.unwrap();
    assert_eq!(line, "well\n", "{said}");
    running.end();
}
