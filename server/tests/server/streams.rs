//! Bodies that come over time, and those that must not come.

use hotfn_protocols::{Head, Reply};
use http::StatusCode;
use tokio::sync::mpsc;

use crate::client::{Client, ask};
use crate::double::{piecewise, reply, serve};
use crate::soon;

#[tokio::test]
async fn a_request_reaches_the_function_as_it_comes() {
    let (seen, mut pieces) = mpsc::unbounded_channel();
    let node = serve(move |mut call| {
        let seen = seen.clone();
        async move {
            while let Some(piece) = call.body.next().await {
                seen.send(String::from_utf8(piece.unwrap().to_vec()).unwrap()).unwrap();
            }
            Ok(reply("done"))
        }
    })
    .await;
    let mut client = Client::connect(node.addr).await;
    client.send("POST /invoke/f HTTP/1.1\nHost: t\ntransfer-encoding: chunked\n\n3\none\n").await;
    assert_eq!(soon(pieces.recv()).await.unwrap(), "one");
    client.send("3\ntwo\n").await;
    assert_eq!(soon(pieces.recv()).await.unwrap(), "two");
    client.send("0\n\n").await;
    assert_eq!(client.answer().await.body, "done");
}

#[tokio::test]
async fn a_request_that_breaks_off_is_seen_as_cut() {
    let (seen, mut outcome) = mpsc::unbounded_channel();
    let node = serve(move |call| {
        let seen = seen.clone();
        // Read elsewhere: the call itself ends with its connection.
        let reading = tokio::spawn(async move {
            let _ = seen.send(call.body.gather(1 << 20).await.map_err(|e| e.to_string()));
        });
        async move {
            reading.await.unwrap();
            Ok(reply("never seen"))
        }
    })
    .await;
    let mut client = Client::connect(node.addr).await;
    client.send("POST /invoke/f HTTP/1.1\nHost: t\ncontent-length: 10\n\nhello").await;
    drop(client);
    assert_eq!(soon(outcome.recv()).await.unwrap(), Err("body was cut".to_owned()));
}

#[tokio::test]
async fn an_answer_reaches_the_caller_as_it_comes() {
    let (pieces, body) = piecewise();
    let body = std::sync::Mutex::new(Some(body));
    let node = serve(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        async { Ok(reply(body)) }
    })
    .await;
    let mut client = Client::connect(node.addr).await;
    client.send("POST /invoke/f HTTP/1.1\nHost: t\ncontent-length: 0\n\n").await;
    soon(pieces.send(Ok("<html>"))).await.unwrap();
    let head = client.head().await;
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    assert_eq!(head.header("content-type"), Some("text/html; charset=utf-8"), "guessed by the first piece");
    client.until("6\r\n<html>\r\n").await;
    soon(pieces.send(Ok("two"))).await.unwrap();
    client.until("3\r\ntwo\r\n").await;
    drop(pieces);
    client.until("0\r\n\r\n").await;
}

#[tokio::test]
async fn a_known_length_is_announced() {
    let node = serve(|call| async { Ok(reply(call.body)) }).await;
    let body = "x".repeat(300_000);
    let answer =
        ask(node.addr, &format!("POST /invoke/f HTTP/1.1\nHost: t\ncontent-length: {}\n\n{body}", body.len())).await;
    assert_eq!(answer.header("content-length"), Some("300000"));
    assert_eq!(answer.body, body);
}

#[tokio::test]
async fn no_body_where_http_allows_none() {
    for (status, method) in [(200, "HEAD"), (204, "GET"), (304, "GET")] {
        let node = serve(move |_| async move {
            let head = Head { status: StatusCode::from_u16(status).unwrap(), ..Head::default() };
            Ok(Reply { head, body: "unwanted".into(), ..Reply::default() })
        })
        .await;
        let mut client = Client::connect(node.addr).await;
        client.send(&format!("{method} /t/shop HTTP/1.1\nHost: t\n\n")).await;
        let head = client.head().await;
        assert_eq!(head.status, status);
        assert_eq!(head.header("content-length"), (method == "HEAD").then_some("8"), "{status} {method}");
        assert_eq!(head.header("transfer-encoding"), None);
        // The next answer begins where this one ended.
        client.send("GET / HTTP/1.1\nHost: t\n\n").await;
        assert_eq!(client.answer().await.json()["hello"], "world!");
    }
}

#[tokio::test]
async fn a_head_request_leaves_a_streaming_function_in_peace() {
    let (pieces, body) = piecewise();
    let body = std::sync::Mutex::new(Some(body));
    let node = serve(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        async { Ok(reply(body)) }
    })
    .await;
    let mut client = Client::connect(node.addr).await;
    client.send("HEAD /t/shop HTTP/1.1\nHost: t\n\n").await;
    for _ in 0..100 {
        soon(pieces.send(Ok("piece"))).await.expect("somebody reads to the end");
    }
    drop(pieces);
    assert_eq!(client.head().await.status, 200);
}

#[tokio::test]
async fn an_old_client_gets_an_answer_that_ends_with_the_connection() {
    let node = serve(|call| async move {
        assert!(call.url.starts_with("http://127.0.0.1:"), "{}", call.url);
        let (pieces, body) = piecewise();
        tokio::spawn(async move { pieces.send(Ok("all of it")).await.unwrap() });
        Ok(reply(body))
    })
    .await;
    let mut client = Client::connect(node.addr).await;
    client.send("GET /t/shop HTTP/1.0\n\n").await;
    let text = client.rest().await;
    assert!(text.ends_with("\r\n\r\nall of it"), "{text}");
}
