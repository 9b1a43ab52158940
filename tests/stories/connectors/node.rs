//! A node whose config has connectors.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use http::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use hotfn_tests::node::{Function, Home};
use hotfn_tests::{binaries, processes, program, soon};

use super::exchange;

/// A server of lines at `in.sock` beside the config file, with more keys.
fn lines(more: &str) -> String {
    let stages = "preprocessors = [\"separate\"]\npostprocessors = [\"separate\"]\n";
    format!("\n[connector.lines]\ntype = \"unix_socket_server\"\npath = \"in.sock\"\n{stages}{more}\n")
}

/// A file beside the config file.
fn beside(home: &Home, name: &str) -> PathBuf {
    home.config().with_file_name(name)
}

/// A function of `home` that is this script, a process for each call.
fn add_script(home: &Home, name: &str, script: &str) {
    let file = beside(home, &format!("{name}.sh"));
    fs::write(&file, script).unwrap();
    home.add(&format!(
        "\n[[function]]\napp = \"stories\"\nname = \"{name}\"\nimage = \"process:sh {}\"\nformat = \"default\"\n",
        file.display()
    ));
}

#[tokio::test]
async fn events_call_a_function_of_the_config_file() {
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    home.add(&lines("codec = \"json\"\ncall = \"stories/echo\""));
    let node = home.start().await;
    let text = "{\"a\":1}\n{\"b\":[2]}\n";
    assert_eq!(exchange(&beside(&home, "in.sock"), text).await, text);
    node.drain().await;
    assert!(!beside(&home, "in.sock").exists());
}

#[tokio::test]
async fn events_run_commands_of_the_list() {
    let home = Home::of(&[]);
    home.add(&format!("\n[command]\nbind = \"unix:{}\"\n", text(&beside(&home, "command.sock"))));
    home.add(
        r#"
        secret_key = "0123456789abcdef"

        [exec.command.upper]
        path = "/usr/bin/tr"
        args = ["a-z", "A-Z"]

        [exec.command.who]
        path = "/bin/sh"
        args = ["-c", "echo $FN_CONNECTOR $FN_CONNECTOR_SEQ"]

        [exec.command.fails]
        path = "/bin/sh"
        args = ["-c", "echo secret >&2; exit 3"]

        [exec.command.hangs]
        path = "/bin/sleep"
        args = ["4243"]
        "#,
    );
    home.add(&lines("codec = \"string\"\ncall = \"command:upper\""));
    let node = home.start().await;
    let socket = beside(&home, "in.sock");
    // One line feed of the program's own is not a part of what it says; nothing is a shell's.
    assert_eq!(exchange(&socket, "hello\n$(id); echo\n").await, "HELLO\n$(ID); ECHO\n");

    let add = async |name: &str, more: Value| {
        let mut definition = json!({
            "name": name, "type": "unix_socket_server", "codec": "json", "path": socket.with_file_name(name),
            "preprocessors": ["separate"], "postprocessors": ["separate"],
        });
        definition.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        node.api(Method::POST, "/v2/connectors", Some(&definition)).await
    };
    let _ = add("who", json!({"call": "command:who", "codec": "string"})).await.ok();
    assert_eq!(exchange(&socket.with_file_name("who"), "x\ny\n").await, "who 0\nwho 1\n");

    let _ = add("fails", json!({"call": "command:fails"})).await.ok();
    let fault: Value = serde_json::from_str(&exchange(&socket.with_file_name("fails"), "1\n").await).unwrap();
    assert_eq!((&fault["code"], &fault["blame"]), (&json!("function_failed"), &json!("function")));
    assert!(fault["error"].as_str().unwrap().contains("exit code 3") && !fault.to_string().contains("secret"));

    let _ = add("late", json!({"call": "command:hangs", "deadline_ms": 50})).await.ok();
    let late: Value = serde_json::from_str(&exchange(&socket.with_file_name("late"), "1\n").await).unwrap();
    assert_eq!(late["code"], "timed_out");
    let _ = add("left", json!({"call": "command:hangs"})).await.ok();
    let mut leaving = UnixStream::connect(socket.with_file_name("left")).await.unwrap();
    leaving.write_all(b"1\n").await.unwrap();
    let hangs = || Command::new("pgrep").args(["-f", "sleep 4243"]).stdout(Stdio::null()).status().unwrap().success();
    soon("the command to begin", || hangs().then_some(())).await;
    drop(leaving);
    soon("the command to end with its peer", || (!hangs()).then_some(())).await;

    let refused = add("typo", json!({"call": "command:uper"})).await.is(400).text();
    assert!(refused.contains("there is no command \\\"uper\\\""), "{refused}");
    node.drain().await;
}

#[tokio::test]
async fn without_commands_none_can_be_called() {
    let home = Home::of(&[]);
    home.add(&lines("codec = \"json\"\ncall = \"command:upper\""));
    let ended =
        program::hotfn(&["serve", "--listen", "127.0.0.1:0", "--db", "memory", "--config", &text(&home.config())]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("they take a table [command]"), "{}", ended.stderr);
}

/// Delivery: an event whose call a KILL interrupted is called again, one that was done is not.
#[tokio::test]
async fn a_killed_node_calls_again_what_its_journal_has() {
    let home = Home::of(&[]);
    let (seen, go) = (beside(&home, "seen"), beside(&home, "go"));
    // It notes what it got; whatever is not quick waits for a file.
    let script = format!(
        "event=$(cat); echo \"$event\" >> {seen:?}\n\
         test \"$event\" = quick || until test -e {go:?}; do sleep 0.02; done\n\
         echo ok\n"
    );
    add_script(&home, "note", &script);
    home.add(&lines("codec = \"string\"\njournal = true\ncall = \"stories/note\"\nto = [\"file:done.log\"]"));
    let events = || fs::read_to_string(&seen).unwrap_or_default();

    let node = home.start().await;
    assert_eq!(exchange(&beside(&home, "in.sock"), "quick\n").await, "");
    let mut peer = UnixStream::connect(beside(&home, "in.sock")).await.unwrap();
    peer.write_all(b"held\n").await.unwrap();
    soon("the event's call", || (events() == "quick\nheld\n").then_some(())).await;
    node.signal(Signal::KILL);
    node.end().await;
    assert_eq!(peer.read(&mut [0; 1]).await.unwrap_or(0), 0, "its connection went with the node");

    fs::write(&go, "").unwrap();
    let node = home.start().await;
    let done = beside(&home, "done.log");
    soon("what came of it", || {
        fs::read_to_string(&done).is_ok_and(|text| text.lines().filter(|line| *line == "ok").count() == 2).then_some(())
    })
    .await;
    assert_eq!(events(), "quick\nheld\nheld\n");
    node.drain().await;

    let node = home.start().await;
    assert_eq!(exchange(&beside(&home, "in.sock"), "quick\n").await, "");
    assert_eq!(events(), "quick\nheld\nheld\nquick\n", "it was done with");
    node.drain().await;
}

/// Case 22.
#[tokio::test]
async fn a_gibibyte_through_a_slow_function_keeps_memory_flat() {
    const FRAME_BYTES: usize = 1 << 20;
    const FRAMES: usize = 1024;
    let home = Home::of(&[]);
    add_script(&home, "slow", "sleep 0.01\nprintf %s $(wc -c)\n");
    home.add(
        "\n[connector.bulk]\ntype = \"unix_socket_server\"\npath = \"in.sock\"\ncodec = \"binary\"\nin_flight = 4\n\
         preprocessors = [{ name = \"length-prefixed\", config = { width = 4 } }]\nbuf_size = \"64KiB\"\n\
         postprocessors = [\"separate\"]\ncall = \"stories/slow\"\n",
    );
    let node = home.start().await;
    let mut stream = UnixStream::connect(beside(&home, "in.sock")).await.unwrap();
    let mut frame = (FRAME_BYTES as u32).to_be_bytes().to_vec();
    frame.resize(frame.len() + FRAME_BYTES, b'x');
    // Everything that is made once is made by then.
    for _ in 0..16 {
        stream.write_all(&frame).await.unwrap();
    }
    let warm = processes::rss_bytes(node.pid());
    let mut most = warm;
    let (mut read, mut write) = stream.split();
    let sending = async {
        for n in 16..FRAMES {
            write.write_all(&frame).await.unwrap();
            if n % 16 == 0 {
                most = most.max(processes::rss_bytes(node.pid()));
            }
        }
        write.shutdown().await.unwrap();
    };
    let mut replies = String::new();
    let (_, got) = tokio::join!(sending, read.read_to_string(&mut replies));
    got.unwrap();
    assert_eq!(replies.lines().count(), FRAMES);
    assert!(replies.lines().all(|line| line == FRAME_BYTES.to_string()));
    // Four calls of a megabyte each, as many answers, and what the sockets hold.
    assert!(most < warm + (32 << 20), "from {warm} bytes to {most}");
    node.drain().await;
}

#[tokio::test]
async fn a_client_that_gave_up_may_end_its_node() {
    let home = Home::of(&[]);
    home.add(
        "\n[connector.up]\ntype = \"unix_socket_client\"\npath = \"nobody.sock\"\ncodec = \"json\"\n\
         reconnect = { retry = { interval_ms = 10, max_retries = 2 } }\non_exhausted = \"exit\"\n",
    );
    let (status, said) = home.start().await.end().await;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("connection given up") && said.contains("on_exhausted"), "{said}");
}

#[tokio::test]
async fn what_the_api_is_told_wrongly_it_names() {
    let home = Home::of(&[]);
    let node = home.start().await;
    let socket = text(&beside(&home, "in.sock"));
    let define =
        |name: &str, path: &str| json!({"name": name, "type": "unix_socket_server", "codec": "json", "path": path});
    let with = |key: &str, value: Value| {
        let mut changed = define("other", &format!("{socket}.other"));
        changed[key] = value;
        changed
    };
    let _ = node.api(Method::POST, "/v2/connectors", Some(&define("lines", &socket))).await.ok();
    for (definition, status, told) in [
        (define("lines", &socket), 409, "exists"),
        (define("other", &socket), 400, "is in use"),
        (with("name", json!(null)), 400, "Missing connector name"),
        (with("name", json!("../lines")), 400, "is not a connector's name"),
        (with("codec", json!("jsn")), 400, "unknown codec"),
        (with("in_flihgt", json!(1)), 400, "in_flihgt: unknown key"),
        (with("permissions", json!("=1777")), 400, "more than a socket has"),
        (with("path", json!("/nowhere/at/all.sock")), 400, "No such file"),
        (with("call", json!("no/body")), 400, "there is no function"),
    ] {
        let answer = node.api(Method::POST, "/v2/connectors", Some(&definition)).await;
        assert_eq!(answer.status, status, "{definition}: {}", answer.text());
        assert!(answer.text().contains(told), "{definition}: {}", answer.text());
    }
    for (method, path, body, status) in [
        (Method::GET, "/v2/connectors/nobody", None, 404),
        (Method::DELETE, "/v2/connectors/nobody", None, 404),
        (Method::POST, "/v2/connectors/lines/peers/9999", Some(json!(1)), 404),
        (Method::POST, "/v2/connectors/lines/peers/first", Some(json!(1)), 400),
        (Method::PUT, "/v2/connectors/lines", Some(json!({})), 405),
    ] {
        assert_eq!(node.api(method.clone(), path, body.as_ref()).await.status, status, "{method} {path}");
    }
    node.drain().await;
}

#[tokio::test]
async fn connectors_of_a_running_node_are_made_and_ended_by_hand() {
    let home = Home::of(&[]);
    let node = home.start().await;
    let url = format!("http://{}", node.address());
    let by_hand = async |words: &[&str]| {
        let words: Vec<String> = ["connectors", "--node", &url].iter().chain(words).map(ToString::to_string).collect();
        let run = move || program::hotfn(&words.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    let socket = text(&beside(&home, "in.sock"));
    let path = format!("path={socket}");
    let stages = "preprocessors=[\"separate\"]";
    let lines = ["add", "lines", "--set", "type=unix_socket_server", "--set", "codec=json", "--set", &path];
    let _ = by_hand(&[&lines[..], &["--set", stages, "--set", "postprocessors=[\"separate\"]"]].concat()).await.well();
    assert_eq!(exchange(Path::new(&socket), "1\n").await, "1\n");
    assert!(by_hand(&[]).await.well().text().contains("lines  unix_socket_server  listening"));
    let mut peer = UnixStream::connect(&socket).await.unwrap();
    peer.write_all(b"1\n").await.unwrap();
    peer.read_exact(&mut [0; 2]).await.unwrap();
    let shown: Value = serde_json::from_str(&by_hand(&["show", "lines"]).await.well().text()).unwrap();
    let _ = by_hand(&["send", "lines", &shown["peers"][0].to_string(), "{\"hello\":\"you\"}"]).await.well();
    let mut sent = [0; 15];
    peer.read_exact(&mut sent).await.unwrap();
    assert_eq!(&sent, b"{\"hello\":\"you\"}");
    for (words, code, told) in [
        (&["add", "lines", "--set", "type=tcp"][..], 1, "unknown type"),
        (&["add", "x", "--set", "type"], 2, "KEY=VALUE"),
        (&["show", "nobody"], 1, "hotfn connectors lists them"),
        (&["remove", "nobody"], 1, "Connector not found"),
        (&["send", "lines", "77", "{}"], 1, "Connection not found"),
        (&["send", "lines", "77", "{"], 2, "it is not JSON"),
        (&["add", "a/b"], 1, "is not a connector's name"),
        (&["show", "../a b"], 1, "hotfn connectors lists them"),
    ] {
        let ended = by_hand(words).await;
        assert_eq!(ended.code, Some(code), "{words:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(told), "{words:?}: {}", ended.stderr);
    }
    let _ = by_hand(&["remove", "lines"]).await.well();
    assert!(!Path::new(&socket).exists());
    node.drain().await;
    let ended = by_hand(&[]).await;
    assert!(ended.code == Some(1) && ended.stderr.contains("is a node listening there?"), "{}", ended.stderr);
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
