//! A caller who leaves is noticed, whatever the call is doing.

use std::time::Duration;

use hotfn_protocols::{Call, Fault, Reply};
use hotfn_server::front::Config;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use crate::client::Client;
use crate::double::{piecewise, reply, serve, serve_at, serve_with};
use crate::soon;

/// Tells when it is dropped.
struct Guard(mpsc::UnboundedSender<&'static str>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

async fn never(call: Call, told: mpsc::UnboundedSender<&'static str>) -> Result<Reply, Fault> {
    let guard = Guard(told);
    let _ = guard.0.send("called");
    let (_call, _guard) = (call, guard);
    std::future::pending().await
}

#[tokio::test]
async fn a_call_ends_when_its_caller_leaves() {
    for request in [
        "POST /invoke/f HTTP/1.1\nHost: t\ncontent-length: 2\n\nhi",
        "POST /invoke/f HTTP/1.1\nHost: t\ntransfer-encoding: chunked\n\n2\nhi\n0\n\n",
        "GET /t/shop HTTP/1.1\nHost: t\n\n",
    ] {
        let (told, mut events) = mpsc::unbounded_channel();
        let node = serve(move |call| never(call, told.clone())).await;
        let mut client = Client::connect(node.addr).await;
        client.send(request).await;
        assert_eq!(soon(events.recv()).await, Some("called"), "{request}");
        drop(client);
        assert_eq!(soon(events.recv()).await, Some("dropped"), "{request}");
    }
}

#[tokio::test]
async fn an_answer_ends_when_its_caller_leaves() {
    let (pieces, body) = piecewise();
    let body = std::sync::Mutex::new(Some(body));
    let node = serve(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        async { Ok(reply(body)) }
    })
    .await;
    let mut client = Client::connect(node.addr).await;
    client.send("POST /invoke/f HTTP/1.1\nHost: t\ncontent-length: 0\n\n").await;
    pieces.send(Ok("first")).await.unwrap();
    client.until("first").await;
    drop(client);
    soon(pieces.closed()).await;
}

/// Longer than what is on its way between two sockets.
const LONG: usize = 32 << 20;

fn impatient() -> Config {
    Config { head_timeout: Duration::from_millis(500), ..Config::default() }
}

/// He is there, and his machine says so; only nothing of the answer goes anywhere.
#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_given_up() {
    let (told, mut events) = mpsc::unbounded_channel();
    let node = serve_with(impatient(), move |_| {
        let _ = told.send("called");
        async { Ok(reply(vec![b'x'; LONG])) }
    })
    .await;
    let mut client = Client::connect(node.addr).await;
    client.send("POST /invoke/f HTTP/1.1\nHost: t\ncontent-length: 0\n\n").await;
    assert_eq!(soon(events.recv()).await, Some("called"));
    node.front.refuse();
    soon(node.front.settled()).await;
    drop(client);
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_at_a_path_is_given_up_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http.sock");
    let (told, mut events) = mpsc::unbounded_channel();
    let (front, _server) = serve_at(&path, impatient(), move |_| {
        let _ = told.send("called");
        async { Ok(reply(vec![b'x'; LONG])) }
    })
    .await;
    let mut client = Client::of(soon(UnixStream::connect(&path)).await.unwrap());
    client.send("POST /invoke/f HTTP/1.1\nHost: t\ncontent-length: 0\n\n").await;
    assert_eq!(soon(events.recv()).await, Some("called"));
    front.refuse();
    soon(front.settled()).await;
    drop(client);
}
