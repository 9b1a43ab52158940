//! Calls whose caller does not wait.

use std::sync::Arc;

use hotfn_server::front::Config;
use tokio::sync::{Semaphore, mpsc};

use crate::client::ask;
use crate::double::{reply, serve_with};
use crate::soon;

const DETACHED: &str = "POST /invoke/f HTTP/1.1\nFn-Invoke-Type: detached\ncontent-length: 2\n\nhi";

#[tokio::test]
async fn a_detached_call_goes_on_after_its_answer_and_draining_waits_for_it() {
    let go = Arc::new(Semaphore::new(0));
    let (done, mut calls) = mpsc::unbounded_channel();
    let gate = go.clone();
    let config = Config { detached_max: 1, detached_body_bytes_max: 4, ..Config::default() };
    let node = serve_with(config, move |call| {
        let (gate, done) = (gate.clone(), done.clone());
        async move {
            gate.acquire().await.unwrap().forget();
            done.send((call.id.to_string(), call.body.gather(10).await.unwrap())).unwrap();
            Ok(reply("unread"))
        }
    })
    .await;

    let answer = ask(node.addr, DETACHED).await;
    assert_eq!((answer.status, &*answer.body), (202, ""));
    let id = answer.header("fn-call-id").unwrap().to_owned();

    let answer = ask(node.addr, DETACHED).await;
    assert_eq!((answer.status, &answer.json()["code"]), (503, &"busy".into()), "one is the bound here");

    node.front.refuse();
    let settled = node.front.settled();
    tokio::pin!(settled);
    assert!(futures_util::poll!(settled.as_mut()).is_pending());
    go.add_permits(1);
    soon(settled).await;
    assert_eq!(calls.recv().await.unwrap(), (id, "hi".into()));
}

#[tokio::test]
async fn a_detached_body_is_bounded() {
    let config = Config { detached_body_bytes_max: 1, ..Config::default() };
    let node = serve_with(config, |_| async { Ok(reply("")) }).await;
    let answer = ask(node.addr, DETACHED).await;
    assert_eq!((answer.status, &answer.json()["code"]), (413, &"request_too_large".into()));
}

#[tokio::test]
async fn a_trigger_is_never_detached() {
    let node = serve_with(Config::default(), |_| async { Ok(reply("waited for")) }).await;
    let answer = ask(node.addr, "GET /t/shop HTTP/1.1\nFn-Invoke-Type: detached\n\n").await;
    assert_eq!((answer.status, &*answer.body), (200, "waited for"));
}
