//! Section 4.1 of the contract, and what any request to the API meets.

use serde_json::json;

use hotfn_server::config::Settings;

use super::{Api, text};
use crate::client::ask;

/// 139, 153
#[tokio::test]
async fn paths_and_methods_that_are_not_there_say_so() {
    let api = Api::start().await;
    let check = async |method: &str, path: &str, status: u16, message: &str| {
        let answer = api.send(method, path, "").await;
        answer.is(status, &(method, path));
        assert_eq!(answer.json()["message"], message);
        answer
    };
    check("GET", "/v2/nothing?x=1", 404, "Path not found: GET /v2/nothing").await;
    check("GET", "/v2/apps/", 404, "Path not found: GET /v2/apps/").await;
    let wrong = check("PATCH", "/v2/apps/a", 405, "Method not allowed: PATCH /v2/apps/a").await;
    assert_eq!(wrong.header("allow"), Some("GET, PUT, DELETE"));
    check("BREW", "/v2/fns", 405, "Method not allowed: BREW /v2/fns").await;
    for path in ["/v2/fns/f/calls", "/v2/fns/f/calls/c", "/v2/fns/f/calls/c/log", "/v2/fns/f/logs"] {
        api.get(path).await.is(404, &path);
    }
}

#[tokio::test]
async fn a_node_that_follows_no_store_has_no_api() {
    let node = crate::double::serve(|_| async { Ok(crate::double::reply("ok")) }).await;
    let answer = ask(node.addr, "GET /v2/apps HTTP/1.1\nHost: t\n\n").await;
    assert_eq!((answer.status, answer.json()), (404, json!({"message": "Path not found: GET /v2/apps"})));
}

#[tokio::test]
async fn the_description_is_served() {
    let api = Api::start().await;
    let answer = api.get("/v2/openapi.yaml").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/yaml; charset=utf-8")));
    assert_eq!(answer.body, include_str!("../../../../openapi.yaml"));
}

#[tokio::test]
async fn a_body_is_bounded() {
    let api = Api::start().await;
    let body = |bytes: usize| format!("{{\"name\":\"a\",\"ignored\":\"{}\"}}", "x".repeat(bytes));
    api.send("POST", "/v2/apps", &body(1 << 20)).await.is(413, &"more than 1 MiB");
    api.send("POST", "/v2/apps", &body((1 << 20) - 100)).await.is(200, &"less");
}

#[tokio::test]
async fn pages_of_other_sites_cannot_write() {
    let settings = Settings { public_url: Some("https://fn.example".to_owned()), ..Settings::default() };
    let api = Api::with(settings).await;
    let create = async |host: &str, origin: &str, name: &str| {
        let body = json!({ "name": name }).to_string();
        let head = format!("POST /v2/apps HTTP/1.1\nHost: {host}\nOrigin: {origin}\nContent-Length: {}", body.len());
        ask(api.addr, &format!("{head}\n\n{body}")).await.status
    };
    assert_eq!(create("fn.example", "https://evil.example", "a").await, 403);
    assert_eq!(create("fn.example", "null", "a").await, 403);
    assert_eq!(create("fn.example", "http://fn.example", "a").await, 200);
    assert_eq!(create("localhost:8080", "http://localhost:8080", "b").await, 200);
    // A name of a stranger's that leads here by now is the same host to the browser, and to us.
    assert_eq!(create("evil.example", "http://evil.example", "c").await, 403);
    let read = ask(api.addr, "GET /v2/apps HTTP/1.1\nHost: fn.example\nOrigin: https://evil.example\n\n").await;
    assert_eq!(read.status, 200, "what it cannot read without being allowed to is not refused");
}

/// 147
#[tokio::test]
async fn a_public_url_is_told_instead_of_the_host() {
    let settings = Settings { public_url: Some("https://fn.example".to_owned()), ..Settings::default() };
    let api = Api::with(settings).await;
    let app = api.app("a").await;
    let function = api.function(&app, "f").await;
    let trigger = api.trigger(&app, &function, "t", "/s").await;
    let annotation = async |path: String, name: &str| text(&api.get(&path).await.ok()["annotations"], name);
    let invoke = annotation(format!("/v2/fns/{function}"), "fnproject.io/fn/invokeEndpoint").await;
    assert_eq!(invoke, format!("https://fn.example/invoke/{function}"));
    let http = annotation(format!("/v2/triggers/{trigger}"), "fnproject.io/trigger/httpEndpoint").await;
    assert_eq!(http, "https://fn.example/t/a/s");
}
