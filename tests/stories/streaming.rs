//! Bodies stream both ways: the node's memory does not grow with them.

use std::time::Duration;

use bytes::Bytes;
use hotfn_tests::client::{self, pieces};
use hotfn_tests::node::{Function, Home};
use hotfn_tests::{binaries, processes};
use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::json;

const MIB: u64 = 1 << 20;
const PIECE: usize = 64 << 10;

#[tokio::test]
async fn a_gibibyte_through_echo_leaves_memory_flat() {
    let home = Home::of(&[Function::new("echo", &binaries::image("echo")).set("timeout", 300)]);
    let node = home.start().await;
    // What buffers there are get their size with the first part.
    let warm = stream_through(&node, 64 * MIB).await;
    let most = stream_through(&node, 1024 * MIB).await;
    let grown = most.saturating_sub(warm);
    assert!(grown <= 2 * MIB, "from {} KiB to {} KiB", warm >> 10, most >> 10);
}

/// Sends `bytes` and reads them back; gives the most memory the node held meanwhile.
async fn stream_through(node: &hotfn_tests::node::Node, bytes: u64) -> u64 {
    let piece = Bytes::from(vec![b'x'; PIECE]);
    let count = usize::try_from(bytes).unwrap() / PIECE;
    let body = pieces(std::iter::repeat_n(piece, count));
    let stream = async {
        let mut connection = node.connect().await;
        let response = connection.send(client::invoke("echo", body)).await.unwrap();
        assert_eq!(response.status(), 200);
        let (mut answer, mut came, mut most) = (response.into_body(), 0, 0);
        let mut look_at = 0;
        while let Some(frame) = answer.frame().await {
            came += frame.unwrap().into_data().unwrap().len() as u64;
            if came >= look_at {
                most = most.max(processes::rss_bytes(node.pid()));
                look_at = came + 16 * MIB;
            }
        }
        assert_eq!(came, bytes);
        most.max(processes::rss_bytes(node.pid()))
    };
    tokio::time::timeout(Duration::from_secs(150), stream).await.expect("a gibibyte passes in 150 s")
}

/// The function waits for each go: what came before it was sent before.
#[tokio::test]
async fn an_event_reaches_the_caller_before_the_next_one_is_made() {
    let triggers = json!(["/events"]);
    let home = Home::of(&[Function::new("echo", &binaries::image("echo")).set("triggers", triggers)]);
    let node = home.start().await;
    let (body, hold) = client::held("data: one\n\n", "data: two\n\n");
    let mut request = client::request(Method::POST, "/t/stories/events", body);
    request.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    let mut connection = node.connect().await;
    let answer = soon_answered(connection.send(request)).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut events = answer.into_body();
    assert_eq!(next(&mut events).await.unwrap(), "data: one\n\n");
    hold.release();
    assert_eq!(next(&mut events).await.unwrap(), "data: two\n\n");
    assert_eq!(next(&mut events).await, None);
    node.drain().await;
}

/// Beyond what waits for its exit code.
#[tokio::test]
async fn what_a_plain_program_prints_at_length_reaches_the_caller_as_it_prints() {
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    mkfifoat(CWD, &go, Mode::RUSR | Mode::WUSR).unwrap();
    let script = format!("head -c {LONG} /dev/zero; cat {} > /dev/null; echo two", go.display());
    let function = Function::new("teller", &format!("process:/bin/sh -c '{script}'"));
    let home = Home::of(&[function.set("format", "default").set("triggers", json!(["/tell"]))]);
    let node = home.start().await;
    let mut connection = node.connect().await;
    let request = client::request(Method::GET, "/t/stories/tell", client::whole(""));
    let answer = soon_answered(connection.send(request)).await.unwrap();
    assert_eq!(answer.headers()["transfer-encoding"], "chunked");
    let (mut body, mut came) = (answer.into_body(), 0);
    while came < LONG {
        came += next(&mut body).await.unwrap().len();
    }
    assert_eq!(came, LONG);
    // Opened and closed: the program reads to the end of nothing, and goes on.
    tokio::task::spawn_blocking(move || drop(std::fs::File::options().write(true).open(go).unwrap())).await.unwrap();
    assert_eq!(next(&mut body).await.unwrap(), "two\n");
    assert_eq!(next(&mut body).await, None);
    node.drain().await;
}

/// More bytes than an answer that waits.
const LONG: usize = 100_000;

async fn next(body: &mut Incoming) -> Option<Bytes> {
    let frame = soon_answered(body.frame()).await?;
    Some(frame.unwrap().into_data().unwrap())
}

/// With a bound that only a failure reaches.
async fn soon_answered<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what).await.expect("it came within 30 s")
}
