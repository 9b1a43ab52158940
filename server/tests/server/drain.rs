//! The end of a front: in order, and bounded.

use std::sync::Arc;
use std::time::Duration;

use hotfn_server::front::Config;
use tokio::sync::Semaphore;

use crate::client::Client;
use crate::double::{Running, reply, serve, serve_with};
use crate::soon;

const CALL: &str = "POST /invoke/f HTTP/1.1\nHost: t\ncontent-length: 0\n\n";
const LONG: Duration = Duration::from_secs(60);

/// A front whose calls end when the semaphore lets them, and one that says when a call has begun.
async fn gated() -> (Running, Arc<Semaphore>, Arc<Semaphore>) {
    let (go, began) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (gate, bell) = (go.clone(), began.clone());
    let node = serve(move |_| {
        let gate = gate.clone();
        bell.add_permits(1);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(reply("done"))
        }
    });
    (node.await, go, began)
}

#[tokio::test]
async fn calls_under_way_finish_while_new_ones_are_refused() {
    let (node, go, began) = gated().await;
    let (mut busy, mut idle) = (Client::connect(node.addr).await, Client::connect(node.addr).await);
    busy.send(CALL).await;
    let _begun = soon(began.acquire()).await.unwrap();
    idle.send("GET / HTTP/1.1\nHost: t\n\n").await;
    idle.answer().await;

    node.front.refuse();
    for mut late in [idle, Client::connect(node.addr).await] {
        late.send(CALL).await;
        let answer = late.answer().await;
        assert_eq!((answer.status, &answer.json()["code"]), (503, &"draining".into()));
        assert_eq!(answer.header("retry-after"), Some("15"));
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(late.rest().await, "");
    }
    go.add_permits(1);
    soon(node.front.settled()).await;
    soon(node.server.close(LONG)).await;
    let answer = busy.answer().await;
    assert_eq!((&*answer.body, answer.header("connection")), ("done", Some("close")));
}

#[tokio::test]
async fn idle_connections_are_closed_and_the_port_is_free_again() {
    let (node, ..) = gated().await;
    let mut idle = Client::connect(node.addr).await;
    idle.send("GET / HTTP/1.1\nHost: t\n\n").await;
    idle.answer().await;
    soon(node.server.close(LONG)).await;
    assert_eq!(idle.rest().await, "");
    std::net::TcpListener::bind(node.addr).unwrap();
}

#[tokio::test]
async fn what_does_not_end_is_cut_when_patience_does() {
    let (node, _go, began) = gated().await;
    let mut busy = Client::connect(node.addr).await;
    busy.send(CALL).await;
    let _begun = soon(began.acquire()).await.unwrap();
    soon(node.server.close(Duration::ZERO)).await;
    assert_eq!(busy.rest().await, "");
}

#[tokio::test]
async fn beyond_the_bound_connections_wait_for_room() {
    let config = Config { connections_max: 1, ..Config::default() };
    let node = serve_with(config, |_| async { Ok(reply("ok")) }).await;
    let mut first = Client::connect(node.addr).await;
    first.send(CALL).await;
    first.answer().await;
    let mut second = Client::connect(node.addr).await;
    second.send(CALL).await;
    first.send(CALL).await;
    first.answer().await;
    let early = second.stream.try_read(&mut [0]).map_err(|e| e.kind());
    assert_eq!(early, Err(std::io::ErrorKind::WouldBlock), "answered beyond the bound");
    drop(first);
    assert_eq!(second.answer().await.body, "ok");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let config = Config { head_timeout: Duration::from_millis(50), ..Config::default() };
    let node = serve_with(config, |_| async { Ok(reply("ok")) }).await;
    let mut slow = Client::connect(node.addr).await;
    slow.send("POST /invoke/f HTTP/1.1\nHost: t\n").await;
    let text = slow.rest().await;
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 408 "), "{text}");
}

#[tokio::test]
async fn a_kept_connection_is_closed_once_it_is_silent_and_not_while_it_is_answered() {
    let config = Config { head_timeout: Duration::from_millis(50), ..Config::default() };
    let node = serve_with(config, |_| async {
        // Longer than a silent connection may last.
        tokio::time::sleep(Duration::from_millis(200)).await;
        Ok(reply("ok"))
    })
    .await;
    let mut client = Client::connect(node.addr).await;
    client.send(CALL).await;
    assert_eq!(client.answer().await.body, "ok");
    client.send("POST /invoke/f HTTP/1.1\nHost: t\n").await;
    assert_eq!(client.rest().await, "", "half a head is silence too");
}
