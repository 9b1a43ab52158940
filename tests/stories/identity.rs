//! No answer is ever given to another caller.
//!
//! Thousands of calls at once, each with a text of its own and of its own length, through few
//! containers: whatever is swapped, cut or left over shows in the answer.

use futures_util::future::join_all;
use hotfn_tests::binaries;
use hotfn_tests::client::{self, whole};
use hotfn_tests::node::{Function, Home};

#[tokio::test]
async fn default_gives_each_caller_its_own_answer() {
    check("default", 1, 16, 30).await;
}

#[tokio::test]
async fn http_gives_each_caller_its_own_answer() {
    check("http", 1, 64, 50).await;
}

#[tokio::test]
async fn json_gives_each_caller_its_own_answer() {
    check("json", 1, 64, 50).await;
}

#[tokio::test]
async fn cloudevent_gives_each_caller_its_own_answer() {
    check("cloudevent", 1, 64, 50).await;
}

#[tokio::test]
async fn http_stream_gives_each_caller_its_own_answer() {
    check("http-stream", 1, 64, 50).await;
}

#[tokio::test]
async fn concurrent_http_stream_gives_each_caller_its_own_answer() {
    check("http-stream", 16, 128, 50).await;
}

/// `callers` connections make `calls` each, one after another, to at most eight containers with
/// `concurrency` calls in flight.
async fn check(format: &str, concurrency: u32, callers: usize, calls: usize) {
    const CONTAINERS: usize = 8;
    let function = Function::new("echo", &binaries::image("echo"))
        .set("format", format)
        .set("concurrency", concurrency)
        .set("max_containers", CONTAINERS)
        .set("timeout", 120);
    let home = Home::of(&[function]);
    let node = home.start().await;
    let caller = async |caller: usize| {
        let mut connection = node.connect().await;
        for call in 0..calls {
            let text = text(caller, call);
            let mut request = client::invoke("echo", whole(text.clone()));
            request.headers_mut().insert("content-type", "text/plain".parse().unwrap());
            let answer = connection.call(request).await.unwrap().ok();
            // Not `assert_eq`: two long texts would drown what differs.
            assert!(answer.text() == text, "{caller}/{call} got {:.80}", answer.text());
        }
    };
    join_all((0..callers).map(caller)).await;
    assert!(home.containers().len() <= CONTAINERS, "{} containers", home.containers().len());
}

/// What one call says: its name, over and over, up to a length that no neighbour has.
fn text(caller: usize, call: usize) -> String {
    let name = format!("caller {caller} call {call};");
    name.repeat(1 + (caller * 7 + call * 13) % 200)
}
