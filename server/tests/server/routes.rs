//! What each path answers, and what a call holds.

use std::sync::Mutex;

use hotfn_protocols::{Call, Fault, Head, Intent, Kind, Reply};
use hotfn_server::front::Config;
use http::{Method, StatusCode};
use tokio::sync::mpsc;

use crate::client::{Client, ask};
use crate::double::{Running, reply, serve, serve_with};

async fn nobody() -> Running {
    serve(|_| async { Err(Fault::new(Kind::UnknownFunction)) }).await
}

/// A front whose calls come out of the channel, all answered `ok`.
async fn caught() -> (Running, mpsc::UnboundedReceiver<Call>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let running = serve(move |call| {
        sender.send(call).unwrap();
        async { Ok(reply("ok")) }
    });
    (running.await, receiver)
}

#[tokio::test]
async fn the_fixed_paths_answer_as_fn_does() {
    let node = nobody().await;
    let greeting = ask(node.addr, "GET / HTTP/1.1\nHost: t\n\n").await;
    assert_eq!(greeting.status, 200);
    assert_eq!(greeting.json(), serde_json::json!({"goto": "https://github.com/fnproject/fn", "hello": "world!"}));
    assert_eq!(ask(node.addr, "GET /healthz HTTP/1.1\nHost: t\n\n").await.json(), serde_json::json!({"status": "ok"}));
    let ready = ask(node.addr, "GET /readyz HTTP/1.1\nHost: t\n\n").await;
    assert_eq!((ready.status, ready.json()["ready"].clone()), (200, true.into()));
    let version = ask(node.addr, "GET /version HTTP/1.1\nHost: t\n\n").await;
    assert_eq!(version.json()["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn what_is_nowhere_is_404_and_a_wrong_method_405() {
    let node = nobody().await;
    let check = async |request: &str, status: u16, message: &str| {
        let answer = ask(node.addr, &format!("{request} HTTP/1.1\nHost: t\n\n")).await;
        assert_eq!((answer.status, answer.json()), (status, serde_json::json!({ "message": message })), "{request}");
        answer
    };
    check("GET /nowhere?x=1", 404, "Path not found: GET /nowhere").await;
    check("POST /invoke/", 404, "Path not found: POST /invoke/").await;
    let answer = check("GET /invoke/f", 405, "Method not allowed: GET /invoke/f").await;
    assert_eq!(answer.header("allow"), Some("POST"));
    check("DELETE /", 405, "Method not allowed: DELETE /").await;
    check("BREW /t/shop", 405, "Method not allowed: BREW /t/shop").await;
    check("GET /t/shop/x", 404, r#"Trigger not found: app "shop" has no trigger with source "/x""#).await;
    check("GET /t/other", 404, r#"Trigger not found: app "other" has no trigger with source "/""#).await;
    let answer = ask(node.addr, "POST /invoke/f/?q=1 HTTP/1.1\nHost: t\ncontent-length: 0\n\n").await;
    assert_eq!((answer.status, answer.header("location")), (307, Some("/invoke/f?q=1")));
}

#[tokio::test]
async fn a_plain_call_holds_what_came() {
    let (node, mut calls) = caught().await;
    let answer = ask(
        node.addr,
        "POST /invoke/f?q=1 HTTP/1.1\nHost: shop.example\nX-A: 1\nX-A: 2\nFn-Call-Id: mine\ncontent-length: 2\n\nhi",
    )
    .await;
    let call = calls.recv().await.unwrap();
    assert_eq!((answer.status, &*answer.body), (200, "ok"));
    assert_eq!(answer.header("fn-call-id"), Some(call.id.as_str()));
    assert_eq!((call.function.as_str(), call.intent, call.method), ("f", Intent::Invoke, Method::POST));
    assert_eq!(call.url, "http://shop.example/invoke/f?q=1");
    assert_eq!(call.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(call.body.as_bytes().map(|b| &b[..]), Some(&b"hi"[..]), "a short body comes whole");
    assert_eq!(call.deadline, None);
}

#[tokio::test]
async fn a_trigger_takes_every_common_method() {
    let (node, mut calls) = caught().await;
    for method in ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"] {
        let mut client = Client::connect(node.addr).await;
        client.send(&format!("{method} /t/shop/a/b?q=%20 HTTP/1.1\nHost: h:1\nFn-Intent: x\n\n")).await;
        assert_eq!(client.head().await.status, 200, "{method}");
        let call = calls.recv().await.unwrap();
        assert_eq!((call.intent, call.method.as_str()), (Intent::Gateway, method));
        assert_eq!(call.url, "http://h:1/t/shop/a/b?q=%20");
        assert_eq!(call.headers["fn-intent"], "x");
    }
    for path in ["/t/shop", "/t/shop/", "/t/shop?q"] {
        assert_eq!(ask(node.addr, &format!("GET {path} HTTP/1.1\nHost: t\n\n")).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_connection_serves_many_calls() {
    let (node, _calls) = caught().await;
    let mut client = Client::connect(node.addr).await;
    let mut names = Vec::new();
    for _ in 0..3 {
        client.send("POST /invoke/f HTTP/1.1\nHost: t\ncontent-length: 2\n\nhi").await;
        let answer = client.answer().await;
        assert_eq!(answer.body, "ok");
        names.push(answer.header("fn-call-id").unwrap().to_owned());
    }
    names.dedup();
    assert_eq!(names.len(), 3);
}

#[tokio::test]
async fn status_and_headers_are_the_functions() {
    let node = serve(|_| async {
        let mut head = Head { status: StatusCode::from_u16(404).unwrap(), ..Head::default() };
        head.headers.append("x-a", "1".parse().unwrap());
        head.headers.append("x-a", "2".parse().unwrap());
        head.headers.insert("content-length", "77".parse().unwrap());
        head.headers.insert("fn-call-id", "forged".parse().unwrap());
        Ok(Reply { head, body: "gone".into(), ..Reply::default() })
    })
    .await;
    let mut client = Client::connect(node.addr).await;
    client.send("GET /t/shop HTTP/1.1\nHost: t\nconnection: close\n\n").await;
    let text = client.rest().await.to_lowercase();
    assert!(text.starts_with("http/1.1 404 "), "{text}");
    assert!(text.contains("x-a: 1\r\nx-a: 2\r\n") && text.contains("content-length: 4\r\n"), "{text}");
    assert!(!text.contains("forged") && text.matches("fn-call-id").count() == 1, "{text}");
    assert!(text.ends_with("\r\n\r\ngone"), "{text}");
}

#[tokio::test]
async fn what_a_body_is_gets_guessed_only_when_nobody_says() {
    let said = Mutex::new(vec![("x-none", ""), ("content-encoding", "br"), ("content-type", "a/b")]);
    let node = serve(move |_| {
        let (name, value) = said.lock().unwrap().pop().unwrap();
        let mut answer = reply("<html>");
        answer.head.headers.insert(name, value.parse().unwrap());
        async { Ok(answer) }
    })
    .await;
    for expected in [Some("a/b"), None, Some("text/html; charset=utf-8")] {
        let answer = ask(node.addr, "GET /t/shop HTTP/1.1\nHost: t\n\n").await;
        assert_eq!(answer.header("content-type"), expected);
    }
}

#[tokio::test]
async fn no_room_for_heads_beyond_the_bound() {
    let config = Config { request_head_bytes_max: 64 << 10, ..Config::default() };
    let node = serve_with(config, |_| async { Ok(reply("ok")) }).await;
    let head = |bytes: usize| format!("GET /t/shop HTTP/1.1\nHost: t\nx: {}\n\n", "x".repeat(bytes));
    assert_eq!(ask(node.addr, &head(63 << 10)).await.status, 200);
    assert_eq!(ask(node.addr, &head(65 << 10)).await.status, 431);
    let many = format!("GET /t/shop HTTP/1.1\nHost: t\n{}\n", "x: y\n".repeat(101));
    assert_eq!(ask(node.addr, &many).await.status, 431);
}

#[tokio::test]
async fn a_request_that_names_no_host_or_two_is_refused() {
    let node = nobody().await;
    let check = async |head: &str, status: u16, message: &str| {
        let answer = ask(node.addr, &format!("{head}\n\n")).await;
        assert_eq!(answer.status, status, "{head:?}");
        assert!(answer.body.contains(message), "{}", answer.body);
    };
    check("GET /version HTTP/1.1", 400, "request has 0 host headers, and should have one").await;
    check("GET /version HTTP/1.1\nHost: a\nHost: b", 400, "request has 2 host headers").await;
    check("GET /version HTTP/1.0", 200, "version").await;
}

#[tokio::test]
async fn a_websocket_is_refused_in_words() {
    let node = nobody().await;
    let upgrade = "GET /t/shop HTTP/1.1\nHost: h\nConnection: Upgrade\nUpgrade: websocket\n\n";
    let answer = ask(node.addr, upgrade).await;
    assert_eq!(answer.status, 501);
    assert!(answer.json()["message"].as_str().unwrap().starts_with("Upgrade not supported"), "{}", answer.body);
}
