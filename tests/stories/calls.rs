//! Detached calls survive their node, and what functions write can be read.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use hotfn_tests::client::{self, Answer, Connection, whole};
use hotfn_tests::node::{Function, Home, Node};
use hotfn_tests::{answered, binaries, program, soon, until};
use http::{HeaderValue, Method};
use rustix::process::Signal;
use serde_json::Value;
use tokio::sync::mpsc;

/// Calls that are accepted before the node is killed.
const CALLS: usize = 1000;
/// Connections they come on.
const CONNECTIONS: usize = 8;
/// How long the next node may take for all of them: a process each.
const BOUND: Duration = Duration::from_secs(120);

/// A function that writes its call's id into `file`.
fn marking(file: &Path) -> Function {
    let image = r#"process:/bin/sh -c 'echo "$FN_CALL_ID" >> "$MARKS"'"#;
    Function::new("mark", image).set("format", "default").config("MARKS", &file.display().to_string())
}

async fn detached(connection: &mut Connection, id: &str, body: &'static str) -> String {
    let mut request = client::invoke(id, whole(body));
    request.headers_mut().insert("fn-invoke-type", HeaderValue::from_static("detached"));
    let answer: Answer = connection.call(request).await.unwrap().is(202);
    answer.header("fn-call-id").to_owned()
}

fn marks(file: &Path) -> HashSet<String> {
    fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

async fn call(node: &Node, function: &str, id: &str) -> Value {
    node.api(Method::GET, &format!("/v2/fns/{function}/calls/{id}"), None).await.ok().json()
}

#[tokio::test]
async fn a_thousand_calls_that_were_accepted_before_a_kill_are_all_run() {
    let folder = tempfile::tempdir().unwrap();
    let (file, store) = (folder.path().join("marks"), format!("sqlite3://{}", folder.path().join("fn.db").display()));
    let home = Home::of(&[marking(&file).set("max_containers", 2)]);
    let node = home.start_with(&["--db", &store]).await;
    let mut sent = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = node.connect().await;
        sent.push(tokio::spawn(async move {
            let mut ids = Vec::new();
            for _ in 0..CALLS / CONNECTIONS {
                ids.push(detached(&mut connection, "mark", "").await);
            }
            ids
        }));
    }
    let mut ids = HashSet::new();
    for sent in sent {
        ids.extend(sent.await.unwrap());
    }
    node.signal(Signal::KILL);
    node.end().await;
    assert_eq!(ids.len(), CALLS);
    let before = marks(&file);
    assert!(before.len() < CALLS, "they were run before the node was killed, which shows nothing");

    let node = home.start_with(&["--db", &store]).await;
    until("every call to be run", BOUND, || ids.is_subset(&marks(&file)).then_some(())).await;
    // Of those that the killed node had begun the next one hears when that one's word has run out.
    let path = "/v2/fns/mark/calls?per_page=1&status=";
    for status in ["queued", "running", "delayed", "dead"] {
        answered(&format!("no call to be {status}"), async || {
            let left = node.api(Method::GET, &format!("{path}{status}"), None).await.ok().json();
            left["items"].as_array().is_some_and(Vec::is_empty).then_some(())
        })
        .await;
    }
    node.drain().await;
}

#[tokio::test]
async fn a_node_that_is_asked_to_end_leaves_what_it_cannot_finish_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (file, store) = (folder.path().join("marks"), format!("sqlite3://{}", folder.path().join("fn.db").display()));
    let home = Home::with(&[("drain_patience", 0)], &[marking(&file).set("max_containers", 1)]);
    let node = home.start_with(&["--db", &store]).await;
    let mut connection = node.connect().await;
    let mut ids = HashSet::new();
    for _ in 0..50 {
        ids.insert(detached(&mut connection, "mark", "").await);
    }
    drop(connection);
    node.drain().await;
    let node = home.start_with(&["--db", &store]).await;
    // Nothing is left with the node that ended, so nobody waits for its word to run out.
    soon("every call to be run", || ids.is_subset(&marks(&file)).then_some(())).await;
    node.drain().await;
}

#[tokio::test]
async fn what_a_function_wrote_is_read_by_call_and_by_function() {
    let image = r#"process:/bin/sh -c 'echo "said $(cat)" >&2; echo answered'"#;
    let home = Home::of(&[Function::new("talk", image).set("format", "default")]);
    let node = home.start().await;
    let mut connection = node.connect().await;
    let id = detached(&mut connection, "talk", "one").await;
    let log = format!("/v2/fns/talk/calls/{id}/log");
    answered("the call's log", async || {
        let answer = node.api(Method::GET, &log, None).await.ok();
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        let is_over = call(&node, "talk", &id).await["status"] == "success";
        (is_over && answer.text() == "said one\n").then_some(())
    })
    .await;

    // A call that is waited for is in no store, but its lines are its function's.
    let waited = node.invoke("talk", "two").await.ok();
    let waited_id = waited.header("fn-call-id").to_owned();
    let lines = answered("two lines", async || {
        let told = node.api(Method::GET, "/v2/fns/talk/logs", None).await.ok().json();
        told["items"].as_array().filter(|lines| lines.len() == 2).cloned()
    })
    .await;
    assert_eq!((&lines[0]["text"], &lines[0]["call_id"]), (&"said one".into(), &id.into()));
    assert_eq!((&lines[1]["text"], &lines[1]["call_id"]), (&"said two".into(), &waited_id.clone().into()));
    let path = format!("/v2/fns/talk/calls/{waited_id}");
    let unknown = node.api(Method::GET, &path, None).await.is(404);
    assert!(unknown.text().starts_with("{\"message\":\"Call not found"), "{}", unknown.text());
    node.drain().await;
}

#[tokio::test]
async fn a_dead_call_can_be_sent_again_when_what_was_wrong_is_put_right() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fixed");
    let image = r#"process:/bin/sh -c 'test -e "$FIXED"'"#;
    let home = Home::of(&[Function::new("broken", image)
        .set("format", "default")
        .set("retry_attempts", 2)
        .set("retry_delay_ms", 10)
        .config("FIXED", &file.display().to_string())]);
    let node = home.start().await;
    let id = detached(&mut node.connect().await, "broken", "").await;
    let becomes = async |status: &str| {
        answered(&format!("the call to be {status}"), async || {
            Some(call(&node, "broken", &id).await).filter(|record| record["status"] == status)
        })
        .await
    };
    let dead = becomes("dead").await;
    assert_eq!(dead["attempts"], 2);
    assert!(dead["error"].as_str().unwrap().starts_with("exited: "), "{dead}");
    let listed = node.api(Method::GET, "/v2/fns/broken/calls?status=dead", None).await.ok().json();
    assert_eq!(listed["items"], Value::from(vec![dead]));

    fs::write(&file, "").unwrap();
    let retry = format!("/v2/fns/broken/calls/{id}/retry");
    assert_eq!(node.api(Method::POST, &retry, None).await.ok().json()["status"], "queued");
    becomes("success").await;
    let again = node.api(Method::POST, &retry, None).await.is(409).text();
    assert!(again.contains("is success, and only what is dead"), "{again}");
    node.drain().await;
}

#[tokio::test]
async fn hotfn_logs_shows_what_was_written_and_follows() {
    let image = r#"process:/bin/sh -c 'echo "said $(cat)" >&2; echo answered'"#;
    let home = Home::of(&[Function::new("talk", image).set("format", "default")]);
    let node = home.start().await;
    let url = format!("http://{}", node.address());
    let logs = move |args: &'static [&str]| {
        let mut command = Command::new(binaries::program("hotfn"));
        command.args(["logs", "stories", "talk", "--api-url", &url]).args(args).env("HOME", "/nowhere");
        command
    };
    let mut follower = logs(&["-f"]).stdout(Stdio::piped()).spawn().unwrap();
    let (heard, mut lines) = mpsc::unbounded_channel();
    let out = BufReader::new(follower.stdout.take().unwrap());
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| heard.send(line)));
    let followed = async |lines: &mut mpsc::UnboundedReceiver<String>, text: &str, id: &str| {
        let line = tokio::time::timeout(Duration::from_secs(30), lines.recv()).await.expect("a line comes").unwrap();
        assert!(line.ends_with(&format!("Z {id} {text}")), "{line}");
    };
    for word in ["one", "two"] {
        let id = detached(&mut node.connect().await, "talk", word).await;
        followed(&mut lines, &format!("said {word}"), &id).await;
        answered("the call to be over", async || (call(&node, "talk", &id).await["status"] == "success").then_some(()))
            .await;
        // It ends by itself, with the call.
        let mut of_call = logs(&["-f"]);
        of_call.args(["--call", &id]);
        let of_call = tokio::task::spawn_blocking(move || program::run(&mut of_call, b"")).await.unwrap();
        assert_eq!(of_call.well().text(), format!("said {word}\n"));
    }
    follower.kill().unwrap();
    follower.wait().unwrap();

    let last = tokio::task::spawn_blocking({
        let mut command = logs(&["-n", "1"]);
        move || program::run(&mut command, b"").well().text()
    });
    let last = last.await.unwrap();
    assert!(last.ends_with(" said two\n") && last.lines().count() == 1, "{last}");
    let mut unknown = logs(&["--call", "nobody"]);
    let unknown = tokio::task::spawn_blocking(move || program::run(&mut unknown, b"")).await.unwrap();
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("Call not found: none has the id \"nobody\""), "{}", unknown.stderr);
    node.drain().await;
}
