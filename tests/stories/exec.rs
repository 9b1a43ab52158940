//! Programs of the host for functions, and functions in containers of somebody else's.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use hotfn_tests::client::{self, whole};
use hotfn_tests::node::{Function, Home};
use hotfn_tests::{binaries, program, skipped, soon};

use crate::formats::FORMATS;

const TABLES: &str = r#"
[[exec.rule]]
function = "stories/say"
commands = ["say", "sleep"]

[exec.command.say]
path = "/bin/sh"
args = ["-c", "echo said $1 of $FN_CALL_ID", "say"]

[exec.command.sleep]
path = "/bin/sleep"
"#;

#[tokio::test]
async fn a_function_runs_the_commands_it_asked_for_and_no_others() {
    let client = binaries::program("hotfn-exec").display().to_string();
    let function = |name: &str, words: &str, asks: &[&str]| {
        let function = Function::new(name, &format!("process:sh -c '{client} {words} || echo code $?'"));
        function.set("format", "default").set("exec", asks.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let others = function("other", "say hi", &["say"]);
    for (words, asks, expected) in [
        ("say hi", &["say"][..], "said hi of 0"),
        ("say hi", &["sleep"], "code 125"),
        ("say hi", &[], "code 125"),
        ("sh", &["say"], "code 125"),
    ] {
        let home = Home::of(&[function("say", words, asks), others.clone()]);
        home.add(TABLES);
        let node = home.start().await;
        let answer = node.invoke("say", "").await.ok().text();
        assert!(answer.starts_with(expected), "{words} {asks:?}: {answer}");
        assert_eq!(node.invoke("other", "").await.ok().text(), "code 125\n", "no rule is for it");
        node.drain().await;
    }
}

#[tokio::test]
async fn a_functions_program_has_what_is_left_of_the_calls_time_and_ends_with_its_container() {
    let client = binaries::program("hotfn-exec").display().to_string();
    let image = format!("process:sh -c '{client} sleep 4242; echo code $?'");
    let home =
        Home::of(&[Function::new("say", &image).set("format", "default").set("exec", vec!["sleep"]).set("timeout", 1)]);
    home.add(TABLES);
    let node = home.start().await;
    let answer = node.invoke("say", "").await;
    assert_ne!(answer.status, 200, "its time was up");
    let sleeps = || {
        let ours = Command::new("pgrep").args(["-f", "^sleep 4242"]).stdout(Stdio::null()).status();
        ours.is_ok_and(|status| !status.success()).then_some(())
    };
    soon("the program to end", sleeps).await;
    node.drain().await;
}

/// As a service manager does it: it listens, and the server is started by its first caller.
#[tokio::test]
async fn a_service_manager_opens_the_socket_and_the_first_caller_starts_the_server() {
    const ACTIVATE: &str = "systemd-socket-activate";
    if Command::new(ACTIVATE).arg("--version").stdout(Stdio::null()).status().is_err() {
        return skipped("there is no systemd-socket-activate");
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("exec.sock");
    let start = |kind: &[&str], path: &Path| {
        let mut manager = Command::new(ACTIVATE);
        manager.args(kind).arg("--listen").arg(path).arg(binaries::program("hotfn"));
        manager
            .args(["exec-server", "--inherited", "--notty", "--limit", "nofile=77"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let ask = |words: &[&str]| {
        let mut client = Command::new(binaries::program("hotfn-exec"));
        program::run(client.arg("--connect").arg(&socket).args(words), b"")
    };
    let mut server = start(&["--seqpacket"], &socket);
    soon("the manager's socket", || socket.exists().then_some(())).await;
    for _ in 0..2 {
        assert_eq!(ask(&["echo", "hi"]).well().text(), "hi\n");
    }
    assert_eq!(ask(&["sh", "-c", "ulimit -n"]).well().text(), "77\n");
    assert_eq!(ask(&["--stop"]).code, Some(0));
    assert!(server.wait().unwrap().success());
    assert!(socket.exists(), "the path is the manager's, and not ours to remove");

    // A socket of streams has no packets, which only shows when it is used.
    let streams = folder.path().join("streams.sock");
    let server = start(&[], &streams);
    soon("the manager's other socket", || UnixStream::connect(&streams).ok()).await;
    let output = server.wait_with_output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("not a listening unix socket of the kind seqpacket"), "{said}");
}

#[tokio::test]
async fn all_formats_work_in_a_container_of_somebody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("exec.sock");
    let mut server = Command::new(binaries::program("hotfn"));
    let mut server = server.arg("exec-server").arg(&socket).stderr(Stdio::null()).spawn().unwrap();
    soon("the exec server", || socket.exists().then_some(())).await;
    let image = format!("remote:{} {}", socket.display(), binaries::program("echo").display());
    let home = Home::of(&FORMATS.map(|format| Function::new(format, &image).set("format", format)));
    home.add("[containers]\ndriver = \"remote\"\n");
    let node = home.start().await;
    for format in FORMATS {
        for n in 0..3 {
            let body = format!("call {n} in {format}");
            let mut call = client::invoke(format, whole(body.clone()));
            call.headers_mut().insert("content-type", "text/plain".parse().unwrap());
            assert_eq!(node.ask(call).await.ok().text(), body, "{format}");
        }
    }
    node.drain().await;
    server.kill().unwrap();
    server.wait().unwrap();
}
