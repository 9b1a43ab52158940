//! Every example answers as its page says.

use std::process::Command;

use hotfn_tests::client::{self, whole};
use hotfn_tests::node::{Function, Home};
use hotfn_tests::{binaries, peers, program};
use http::Method;
use http_body_util::BodyExt;

fn run(example: &str, data: &str) -> program::Ended {
    program::hotfn(&["run", "-d", data, "--", binaries::program(example).to_str().unwrap()])
}

/// From its folder, as a reader would: built and started by `hotfn`.
fn run_folder(example: &str, data: &str) -> program::Ended {
    let mut hotfn = Command::new(binaries::program("hotfn"));
    hotfn.arg("run").arg(binaries::example(example)).args(["-d", data]);
    program::run(&mut hotfn, b"").well()
}

#[test]
fn hello_greets_from_its_folder() {
    let greeting = run_folder("hello", r#"{"name":"Ada"}"#).text();
    assert!(greeting.contains("Hello Ada"), "{greeting}");
}

#[test]
fn hello_python_greets_from_its_folder() {
    // Its dependencies come from where the peers came from.
    let Some(_) = peers::Python::find() else { return };
    let greeting = run_folder("hello-python", r#"{"name":"Ada"}"#).text();
    assert!(greeting.contains("Hello Ada"), "{greeting}");
}

#[test]
fn hello_node_greets_from_its_folder() {
    let Some(_) = peers::Node::find() else { return };
    let greeting = run_folder("hello-node", r#"{"name":"Ada"}"#).text();
    assert!(greeting.contains("Hello Ada"), "{greeting}");
}

#[test]
fn hello_sh_greets_from_its_folder() {
    let greeting = run_folder("hello-sh", r#"{"name":"Ada"}"#).text();
    assert!(greeting.contains("Hello"), "{greeting}");
}

#[test]
fn echo_gives_back_what_it_got() {
    assert_eq!(run("echo", "hi").well().text(), "hi");
}

#[test]
fn slow_takes_its_time_or_runs_out_of_it() {
    let slept = run("slow", r#"{"ms":20}"#).well().text();
    assert!(slept.starts_with("slept 20 ms"), "{slept}");
    let slow = binaries::program("slow");
    let ended = program::hotfn(&["run", "--timeout", "1", "-d", r#"{"ms":60000}"#, "--", slow.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("timed_out") && ended.stderr.contains("cancelled"), "{}", ended.stderr);
}

#[tokio::test]
async fn stream_sends_each_line_when_it_is_made() {
    let home = Home::of(&[Function::new("stream", &binaries::image("stream"))]);
    let node = home.start().await;
    let mut connection = node.connect().await;
    let call = client::invoke("stream", whole(r#"{"count":4,"pause_ms":100}"#));
    let mut body = connection.send(call).await.unwrap().into_body();
    let (mut text, mut pieces) = (String::new(), 0);
    while let Some(frame) = body.frame().await {
        text.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap());
        pieces += 1;
    }
    assert_eq!(text, "1\n2\n3\n4\n");
    assert!(pieces > 1, "it came in one piece");
}

#[tokio::test]
async fn gateway_routes_what_triggers_bring() {
    let function = Function::new("books", &binaries::image("gateway"));
    let triggers = vec!["/gateway", "/gateway/books", "/gateway/books/7", "/gateway/books/10"];
    let home = Home::of(&[function.set("triggers", triggers)]);
    let node = home.start().await;
    let ask = async |method, path: &str, body| {
        let mut call = client::request(method, &format!("/t/stories/gateway{path}"), whole(body));
        call.headers_mut().insert("content-type", "application/json".parse().unwrap());
        node.ask(call).await
    };
    let added = ask(Method::POST, "/books", r#"{"title":"Emma"}"#).await.is(201);
    assert_eq!(added.header("location"), "/books/7");
    assert_eq!(added.headers.get_all("set-cookie").iter().count(), 2);
    assert_eq!(ask(Method::GET, "/books/7?lang=de", "").await.ok().text(), "book 7 de\n");
    assert_eq!(ask(Method::GET, "/books/10", "").await.status, 404);
}

#[test]
fn faulty_fails_as_told() {
    let ended = run("faulty", "error as told");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("function_failed"), "{}", ended.stderr);
}
