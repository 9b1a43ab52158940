//! What a node serves outlives it.

use hotfn_tests::node::{Function, Home};
use hotfn_tests::{binaries, program};
use http::Method;
use rustix::process::Signal;
use serde_json::json;

#[tokio::test]
async fn what_was_made_is_served_by_the_next_node() {
    let home = Home::of(&[Function::new("given", &binaries::image("echo")).set("triggers", json!(["/given"]))]);
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite3://{}", folder.path().join("data/fn.db").display());
    let node = home.start_with(&["--db", &store]).await;
    let app = node.api(Method::GET, "/v2/apps?name=stories", None).await.ok().json()["items"][0]["id"].clone();
    let body = json!({"name": "made", "app_id": app, "image": binaries::image("echo"), "memory": 32});
    let made = node.api(Method::POST, "/v2/fns", Some(&body)).await.ok().json();
    let id = made["id"].as_str().unwrap();
    // Without a word to it: what was answered is on the disk.
    node.signal(Signal::KILL);
    node.end().await;

    let node = home.start_with(&["--db", &store]).await;
    assert_eq!(node.invoke(id, "made").await.ok().text(), "made");
    assert_eq!(node.invoke("given", "given").await.ok().text(), "given");
    let given = node.api(Method::GET, "/v2/fns/given", None).await.ok().json();
    assert_eq!((&given["app_id"], &given["memory"]), (&app, &json!(32)));
    node.drain().await;
}

#[tokio::test]
async fn a_start_that_fails_leaves_nothing_in_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite3://{}", folder.path().join("fn.db").display());
    let bad = Home::of(&[Function::new("bad", &binaries::image("echo"))]);
    bad.add("[connector.lines]\ntype = \"unix_socket_server\"\ncodec = \"string\"\nconfig = { path = \"/nowhere/lines.sock\" }\n");
    let config = bad.config().display().to_string();
    let failed = program::hotfn(&["serve", "--config", &config, "--db", &store, "--listen", "127.0.0.1:0"]);
    assert!(failed.code == Some(1) && failed.stderr.contains("\"lines\" cannot listen"), "{}", failed.stderr);

    let home = Home::of(&[Function::new("good", &binaries::image("echo"))]);
    let node = home.start_with(&["--db", &store]).await;
    let bad = node.api(Method::GET, "/v2/fns/bad", None).await.is(404).text();
    assert!(bad.contains("not found"), "{bad}");
    assert_eq!(node.invoke("good", "served").await.ok().text(), "served");
    let good = node.api(Method::GET, "/v2/fns/good", None).await.ok().json();
    assert_eq!(good["name"], "good");
    node.drain().await;
}
