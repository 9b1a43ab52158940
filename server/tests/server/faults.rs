//! What a caller learns of a call that failed.

use std::time::Duration;

use hotfn_protocols::{Fault, Head, Kind, Reply, Timing};
use hotfn_server::front::Config;
use http::StatusCode;

use crate::client::{Client, ask};
use crate::double::{piecewise, reply, serve, serve_with};

const CALL: &str = "POST /invoke/f HTTP/1.1\nHost: t\ncontent-length: 0\n\n";

#[tokio::test]
async fn a_fault_says_what_happened_and_whose_doing_it_was() {
    let timing = Timing { queue: Some(Duration::from_micros(12)), ..Timing::default() };
    let node = serve(move |_| async move {
        Err(Fault::new(Kind::Receiving).because("connection closed after 3 bytes").caused_by("secret").timed(timing))
    })
    .await;
    let answer = ask(node.addr, CALL).await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("fn-blame"), Some("function"));
    assert_eq!(answer.header("server-timing"), Some("queue;dur=0.012"));
    let expected = serde_json::json!({
        "message": "error receiving function response: connection closed after 3 bytes",
        "code": "receiving_response",
        "blame": "function",
        "reason": "connection closed after 3 bytes",
        "call_id": answer.header("fn-call-id").unwrap(),
    });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn every_kind_is_told_and_the_connection_lives_on() {
    let kinds = || Kind::ALL.iter().filter(|k| !matches!(k, Kind::CallerLeft | Kind::CallSlow));
    let next = std::sync::Mutex::new(kinds());
    let node = serve(move |_| {
        let kind = *next.lock().unwrap().next().unwrap();
        async move { Err(Fault::new(kind)) }
    })
    .await;
    let mut client = Client::connect(node.addr).await;
    for kind in kinds() {
        client.send(CALL).await;
        let answer = client.answer().await;
        assert!(answer.status >= 400, "{kind:?}");
        assert_eq!(answer.json()["code"], kind.code());
        assert_eq!(answer.json()["message"], kind.message());
        assert_eq!(answer.header("fn-blame"), Some(kind.blame().as_str()));
        let retry = matches!(kind, Kind::Busy | Kind::Draining).then_some("15");
        assert_eq!(answer.header("retry-after"), retry, "{kind:?}");
    }
}

/// The next byte could be of the body that did not come.
#[tokio::test]
async fn a_body_that_came_too_slowly_is_told_of_and_nothing_follows() {
    let node = serve(|_| async { Err(Fault::new(Kind::CallSlow)) }).await;
    let mut client = Client::connect(node.addr).await;
    client.send("POST /invoke/f HTTP/1.1\nHost: t\ncontent-length: 10\n\nhello").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert_eq!(answer.json()["code"], "call_slow");
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_caller_who_left_is_sent_nothing() {
    let node = serve(|_| async { Err(Fault::new(Kind::CallerLeft)) }).await;
    let mut client = Client::connect(node.addr).await;
    client.send(CALL).await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn an_announced_length_beyond_the_bound_never_becomes_a_call() {
    let config = Config { request_bytes_max: Some(4), ..Config::default() };
    let node = serve_with(config, |_| async { Ok(reply("called")) }).await;
    let answer = ask(node.addr, "POST /invoke/f HTTP/1.1\nHost: t\ncontent-length: 5\n\nhello").await;
    assert_eq!((answer.status, &answer.json()["code"]), (413, &"request_too_large".into()));
    assert_eq!(ask(node.addr, "POST /invoke/f HTTP/1.1\nHost: t\ncontent-length: 4\n\nhell").await.body, "called");
}

#[tokio::test]
async fn a_status_that_ends_nothing_is_no_answer() {
    for status in [100, 101, 103] {
        let node = serve(move |_| async move {
            let head = Head { status: StatusCode::from_u16(status).unwrap(), ..Head::default() };
            Ok(Reply { head, ..Reply::default() })
        })
        .await;
        let answer = ask(node.addr, "GET /t/shop HTTP/1.1\nHost: t\n\n").await;
        assert_eq!((answer.status, &answer.json()["code"]), (502, &"invalid_response".into()), "{status}");
    }
}

#[tokio::test]
async fn a_body_that_fails_at_once_is_still_a_fault() {
    let node = serve(|_| async {
        let (pieces, body) = piecewise();
        pieces.send(Err("gone")).await.unwrap();
        Ok(reply(body))
    })
    .await;
    let answer = ask(node.addr, CALL).await;
    assert_eq!((answer.status, &answer.json()["code"]), (502, &"receiving_response".into()));
}

#[tokio::test]
async fn a_body_that_fails_half_way_is_cut_and_never_ended() {
    let node = serve(|_| async {
        let (pieces, body) = piecewise();
        tokio::spawn(async move {
            pieces.send(Ok("first")).await.unwrap();
            pieces.send(Err("gone")).await.unwrap();
        });
        Ok(reply(body))
    })
    .await;
    let mut client = Client::connect(node.addr).await;
    client.send(CALL).await;
    let text = client.rest().await;
    assert!(text.starts_with("HTTP/1.1 200 ") && text.contains("5\r\nfirst\r\n"), "{text}");
    assert!(!text.ends_with("0\r\n\r\n"), "{text}");
}
