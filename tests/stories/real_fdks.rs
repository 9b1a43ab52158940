//! The function kits of others, unchanged.
//!
//! Those of today speak `http-stream`; the releases of 2018 show that the formats on pipes are what
//! functions in the field expect: 0.0.8 was the last with `http`, 0.0.32 the last with `json` and
//! `cloudevent`, 0.0.36 the last of its line. How each tells a user's error is its own affair and
//! told here as found.

use std::time::Duration;

use hotfn_tests::client::{self, whole};
use hotfn_tests::node::{Function, Home, Node};
use hotfn_tests::{peers, processes, until};
use http::Method;

/// A kit starts slowly where an interpreter does: on a busy machine in seconds.
const SETTINGS: [(&str, i64); 2] = [("start_timeout_ms", 30_000), ("freeze_idle_ms", -1)];

#[tokio::test]
async fn the_python_kit_of_today() {
    let Some(python) = peers::Python::find() else { return };
    a_kit_of_today(Function::new("kit", &python.image("modern.py")), "fdk-python/").await;
}

#[tokio::test]
async fn the_node_kit_of_today() {
    let Some(node) = peers::Node::find() else { return };
    a_kit_of_today(Function::new("kit", &node.image("modern.js")).config("NODE_PATH", &node.path()), "fdk-node/").await;
}

#[tokio::test]
async fn the_python_kit_of_2018_in_http() {
    a_kit_of_2018("0.0.8", "http", "hi", 500).await;
}

#[tokio::test]
async fn the_python_kit_of_2018_in_json() {
    a_kit_of_2018("0.0.32", "json", "\"hi\"", 500).await;
}

#[tokio::test]
async fn the_python_kit_of_2018_in_cloudevent() {
    // It calls its data JSON, and means JSON in a string.
    a_kit_of_2018("0.0.32", "cloudevent", r#""\"hi\"""#, 500).await;
}

#[tokio::test]
async fn the_last_python_kit_of_2018() {
    // It answers an error with status 500, which an agent takes no answer from.
    a_kit_of_2018("0.0.36", "http-stream", "\"hi\"", 502).await;
}

async fn a_kit_of_today(function: Function, version: &str) {
    // A kit's interpreter needs room for itself.
    let function = function.set("memory", 256).set("max_containers", 1).set("triggers", vec!["/kit"]);
    let home = Home::with(&SETTINGS, &[function]);
    let node = home.start().await;

    let echo = text(&node, "hi").await.ok();
    assert_eq!(echo.text(), "hi");
    assert!(echo.header("fn-fdk-version").starts_with(version), "{:?}", echo.headers);
    let container = the_one(&home);

    let failed = text(&node, "fail").await.is(502);
    assert_eq!(failed.json()["code"], "function_failed");
    assert_eq!(failed.header("fn-blame"), "function");

    let mut by_trigger = client::request(Method::PUT, "/t/stories/kit?x=1", whole("who"));
    by_trigger.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    let answer = node.ask(by_trigger).await.is(201);
    assert_eq!(answer.header("x-colour"), "green");
    let said = format!("{} PUT http://stories.example/t/stories/kit?x=1", answer.header("fn-call-id"));
    assert_eq!(answer.text(), said);

    let mut connection = node.connect().await;
    for n in 0..1000 {
        let body = format!("call {n}");
        let mut call = client::invoke("kit", whole(body.clone()));
        call.headers_mut().insert("content-type", "text/plain".parse().unwrap());
        assert_eq!(connection.call(call).await.unwrap().ok().text(), body);
    }

    an_idle_connection_is_dialled_again(&node, container).await;
    assert_eq!(the_one(&home), container, "one container served all of them");
}

/// The function closes the connection while nothing is asked of it; the next call does not notice.
async fn an_idle_connection_is_dialled_again(node: &Node, container: u32) {
    assert_eq!(text(node, "hang up").await.ok().text(), "hang up");
    // A frozen container could not hang up, but here none is frozen: it closes what it has.
    let sockets = || processes::descriptors(container, "socket:");
    let before = sockets();
    let what = "the function to close its connection";
    until(what, Duration::from_secs(10), || (sockets() < before).then_some(())).await;
    assert_eq!(text(node, "and again").await.ok().text(), "and again");
}

async fn a_kit_of_2018(version: &str, format: &str, echo: &str, failed: u16) {
    let Some(python) = peers::Python::find() else { return };
    let function = Function::new("kit", &python.old_image("old.py"))
        .config("PYTHONPATH", &python.old_path(version))
        .set("format", format)
        .set("memory", 256)
        .set("max_containers", 1);
    let home = Home::with(&SETTINGS, &[function]);
    let node = home.start().await;
    assert_eq!(text(&node, "hi").await.ok().text(), echo);
    let container = the_one(&home);
    for _ in 0..100 {
        assert_eq!(text(&node, "hi").await.ok().text(), echo);
    }
    assert_eq!(the_one(&home), container, "one container served all of them");
    let answer = text(&node, "fail").await.is(failed);
    assert!(failed == 502 || answer.text().contains("told to fail"), "{}", answer.text());
    assert_eq!(text(&node, "hi").await.ok().text(), echo);
}

/// The container, which is hot.
fn the_one(home: &Home) -> u32 {
    let containers = home.containers();
    assert_eq!(containers.len(), 1, "one container stays hot between calls");
    containers[0]
}

async fn text(node: &Node, body: &str) -> client::Answer {
    let mut call = client::invoke("kit", whole(body.to_owned()));
    call.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    node.ask(call).await
}
