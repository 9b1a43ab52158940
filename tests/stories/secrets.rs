//! A secret reaches its function, and nobody else: not a line of log at any level, not an answer.

use std::fs;

use http::Method;
use serde_json::{Value, json};

use hotfn_tests::client;
use hotfn_tests::node::{Function, Home};
use hotfn_tests::program;

/// Found nowhere by chance.
const VALUES: [&str; 3] = ["s3cr3t-of-the-file", "s3cr3t-of-a-text", "s3cr3t-of-the-api"];

/// Says whether it has all of its secrets, and none of them.
const FUNCTION: &str = "process:/bin/sh -c 'test -n \"$S_FILE$S_TEXT$S_API\" && echo ${#S_FILE} ${#S_TEXT} ${#S_API}'";

#[tokio::test]
async fn no_log_and_no_answer_holds_a_secret() {
    let function = |name: &str, image: &str| Function::new(name, image).set("format", "default");
    let home = Home::of(&[function("given", FUNCTION), function("broken", "process:/none/such")]);
    fs::write(home.scratch().join("secret"), VALUES[0]).unwrap();
    let file = home.scratch().join("secret");
    // Behind the last function's config.
    home.add(&format!("[function.secrets]\nS_FILE = {{ file = {file:?} }}\nS_TEXT = {:?}\n", VALUES[1]));
    home.add(&format!(
        "[[function]]\nname = \"all\"\nid = \"all\"\napp = \"stories\"\nmemory = 32\nformat = \"default\"\n\
         image = {FUNCTION:?}\n[function.secrets]\nS_FILE = {{ file = {file:?} }}\nS_TEXT = {:?}\n",
        VALUES[1]
    ));
    let node = home.start_with(&["--log-level", "trace"]).await;
    let mut answers = Vec::new();
    let mut api = async |method: Method, path: &str, body: Option<Value>, status: u16| {
        let answer = node.api(method, path, body.as_ref()).await.is(status);
        answers.push(format!("{path}: {:?} {}", answer.headers, answer.text()));
        answer
    };
    let given = json!({"secrets": {"S_API": VALUES[2]}});
    for id in ["all", "broken"] {
        api(Method::PUT, &format!("/v2/fns/{id}"), Some(given.clone()), 200).await;
    }
    let app = api(Method::GET, "/v2/apps?name=stories", None, 200).await.json()["items"][0]["id"].clone();
    let app = app.as_str().unwrap();
    api(Method::PUT, &format!("/v2/apps/{app}"), Some(given), 200).await;
    // Wrong in as many ways as one can be.
    for secrets in [json!({"S_API": [VALUES[2]]}), json!(VALUES[2]), json!({"A=B": VALUES[2]})] {
        api(Method::PUT, "/v2/fns/all", Some(json!({ "secrets": secrets })), 400).await;
    }
    let named = json!({"name": "g", "app_id": app, "image": "process:/bin/cat", "secrets": {"S_API": VALUES[2]}});
    api(Method::POST, "/v2/fns", Some(named.clone()), 200).await;
    api(Method::POST, "/v2/fns", Some(named), 409).await;
    for path in [
        "/v2/apps",
        &format!("/v2/apps/{app}"),
        &format!("/v2/fns?app_id={app}"),
        "/v2/fns/all",
        "/v2/fns/broken",
        "/metrics",
    ] {
        api(Method::GET, path, None, 200).await;
    }
    let told = node.invoke("all", "").await.ok().text();
    let lengths = VALUES.map(|value| value.len().to_string()).join(" ");
    assert_eq!(told.trim(), lengths, "the function has them");
    let broken = node.ask(client::invoke("broken", client::whole(""))).await;
    assert!(broken.status.is_server_error(), "{}", broken.text());
    answers.push(broken.text());
    answers.push(node.drain().await);
    let config = home.config();
    let mut looks = |args: &[&str], code: i32| {
        let args = [&["serve", "--log-level", "trace", "--config", config.to_str().unwrap()], args].concat();
        let ended = program::hotfn(&args);
        assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.stderr);
        let said = format!("{args:?}: {}{}", String::from_utf8_lossy(&ended.stdout), ended.stderr);
        answers.push(said.clone());
        said
    };
    let shown = looks(&["--print-config"], 0);
    assert!(shown.contains("# secrets: S_FILE, S_TEXT; values are not shown"), "{shown}");
    looks(&["--check"], 0);
    // A config that is refused for another reason.
    home.add("[function.nonsense]\n");
    for args in [&[][..], &["--check"], &["--print-config"]] {
        looks(args, 2);
    }
    for answer in answers {
        for value in VALUES {
            assert!(!answer.contains(value), "{value} stands in {answer}");
        }
    }
}
