//! Calls whose caller does not wait: kept in a store, and run whatever happens.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hotfn_protocols::{Call, Fault, Kind, Reply};
use hotfn_server::calls::record::{Record, Status};
use hotfn_server::calls::{Calls, Config, Records, Retries};
use hotfn_server::store::calls::Wanted;
use hotfn_server::store::{App, Error as StoreError, Store, Url};
use tokio::sync::{Semaphore, mpsc};

use crate::client::{Client, ask};
use crate::double::{Running, reply, serve, serve_detached};
use crate::soon;

const DETACHED: &str = "POST /invoke/f HTTP/1.1\nHost: t\nFn-Invoke-Type: detached\ncontent-length: 2\n\nhi";

/// Nothing is waited for between two tries.
const AT_ONCE: Retries = Retries { attempts: Some(3), delay_ms: Some(0), growth: None, delay_max_ms: None };

async fn store() -> Arc<Store> {
    Arc::new(Store::open(&Url::Memory).await.unwrap())
}

/// A node whose function answers as it is told, call by call, and each call it gets.
async fn told(store: &Arc<Store>, config: Config, answers: Vec<Result<Reply, Kind>>) -> (Running, Arc<Calls>, Heard) {
    let answers = std::sync::Mutex::new(answers.into_iter());
    let (heard, calls_heard) = mpsc::unbounded_channel();
    let (node, calls) = serve_detached(store.clone(), config, move |call| {
        let answer = answers.lock().unwrap().next().unwrap_or_else(|| Ok(reply("")));
        let heard = heard.clone();
        async move {
            let _ = heard.send((call.id.to_string(), call.body.gather(10).await.unwrap()));
            answer.map_err(Fault::new)
        }
    })
    .await;
    (node, calls, calls_heard)
}

type Heard = mpsc::UnboundedReceiver<(String, bytes::Bytes)>;

/// Sends a detached call, which must be accepted, and gives its id.
async fn accepted(node: &Running) -> String {
    let answer = ask(node.addr, DETACHED).await;
    assert_eq!((answer.status, &*answer.body), (202, ""));
    answer.header("fn-call-id").unwrap().to_owned()
}

/// The call `id`, once its status is this.
async fn becomes(store: &Store, id: &str, status: Status) -> Record {
    soon(async {
        loop {
            let record = store.call("f", id).await.unwrap();
            if record.status == status {
                return record;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

#[tokio::test]
async fn what_is_accepted_is_in_the_store_and_run() {
    let store = store().await;
    let (node, _calls, mut heard) = told(&store, Config::default(), Vec::new()).await;
    let id = accepted(&node).await;
    assert_eq!(store.call("f", &id).await.unwrap().id, id, "it is there with its answer");
    assert_eq!(soon(heard.recv()).await.unwrap(), (id.clone(), "hi".into()));
    let record = becomes(&store, &id, Status::Success).await;
    assert_eq!((record.attempts, record.error), (1, None));
    assert!(record.started_at.is_some() && record.completed_at.is_some());
}

#[tokio::test]
async fn what_fails_is_tried_again_until_it_succeeds() {
    let config = Config { retries: AT_ONCE, ..Config::default() };
    let store = store().await;
    let once = vec![Err(Kind::Failed)];
    let (node, _calls, mut heard) = told(&store, config, once).await;
    let id = accepted(&node).await;
    let record = becomes(&store, &id, Status::Success).await;
    assert_eq!(record.attempts, 2);
    for _ in 0..2 {
        assert_eq!(heard.recv().await.unwrap(), (id.clone(), "hi".into()), "each try is the same call");
    }
}

#[tokio::test]
async fn what_fails_to_the_last_is_dead_until_it_is_sent_again() {
    let config = Config { retries: AT_ONCE, ..Config::default() };
    let store = store().await;
    let always = (0..3).map(|_| Err(Kind::TimedOut)).collect();
    let (node, calls, mut heard) = told(&store, config, always).await;
    let id = accepted(&node).await;
    let record = becomes(&store, &id, Status::Dead).await;
    assert_eq!((record.attempts, record.error.as_deref()), (3, Some("timed_out: Timed out")));
    for _ in 0..3 {
        heard.recv().await.unwrap();
    }

    // Sent again, it has what it was called with.
    store.revive_call("f", &id, 0).await.unwrap();
    calls.look();
    assert_eq!(soon(heard.recv()).await.unwrap(), (id.clone(), "hi".into()));
    becomes(&store, &id, Status::Success).await;
    assert!(store.revive_call("f", &id, 0).await.is_err(), "only what is dead can be sent again");
}

#[tokio::test]
async fn beyond_the_places_calls_wait_in_the_store_and_beyond_its_bound_they_are_refused() {
    let go = Arc::new(Semaphore::new(0));
    let gate = go.clone();
    let config = Config { running_max: 1, open_max: 3, ..Config::default() };
    let store = store().await;
    let (node, _calls) = serve_detached(store.clone(), config, move |_| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(reply(""))
        }
    })
    .await;
    let ids = [accepted(&node).await, accepted(&node).await, accepted(&node).await];
    becomes(&store, &ids[0], Status::Running).await;
    let answer = ask(node.addr, DETACHED).await;
    assert_eq!((answer.status, &answer.json()["code"]), (503, &"busy".into()));
    assert_eq!(answer.json()["reason"], "3 detached calls wait or run, at most 3 may");
    assert_eq!(answer.header("retry-after"), Some("15"));
    let running = Wanted { status: Some(Status::Running), count_max: 9, ..Wanted::default() };
    assert_eq!(store.calls("f", &running).await.unwrap().len(), 1);
    go.add_permits(3);
    for id in &ids {
        becomes(&store, id, Status::Success).await;
    }
    accepted(&node).await;
}

#[tokio::test]
async fn a_node_that_leaves_puts_back_what_it_did_not_finish_and_the_next_runs_it() {
    let store = store().await;
    let (began, mut begun) = mpsc::unbounded_channel();
    let cut = Arc::new(Semaphore::new(0));
    let gate = cut.clone();
    let config = Config { running_max: 1, ..Config::default() };
    let (node, calls) = serve_detached(store.clone(), config.clone(), move |_| {
        let (gate, began) = (gate.clone(), began.clone());
        async move {
            began.send(()).unwrap();
            // As an agent does whose patience has run out.
            gate.acquire().await.unwrap().forget();
            Err(Fault::new(Kind::Receiving))
        }
    })
    .await;
    let ids = [accepted(&node).await, accepted(&node).await];
    soon(begun.recv()).await.unwrap();
    calls.leave();
    cut.add_permits(1);
    soon(calls.stop(Duration::from_secs(10))).await;
    for id in &ids {
        let record = store.call("f", id).await.unwrap();
        assert_eq!((record.status, record.attempts), (Status::Queued, 0), "what was cut is no attempt");
    }
    let (_node, _calls, _heard) = told(&store, config, Vec::new()).await;
    for id in &ids {
        assert_eq!(becomes(&store, id, Status::Success).await.attempts, 1);
    }
}

#[tokio::test]
async fn while_the_store_is_away_calls_are_refused_and_ends_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fn.db");
    let store = Arc::new(Store::open(&Url::Sqlite(path.clone())).await.unwrap());
    let go = Arc::new(Semaphore::new(0));
    let gate = go.clone();
    let (node, _calls) = serve_detached(store.clone(), Config::default(), move |_| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(reply(""))
        }
    })
    .await;
    let id = accepted(&node).await;
    becomes(&store, &id, Status::Running).await;

    let other = rusqlite::Connection::open(&path).unwrap();
    other.busy_timeout(Duration::from_secs(5)).unwrap();
    other.execute_batch("ALTER TABLE calls RENAME TO hidden").unwrap();
    go.add_permits(2);
    let answer = ask(node.addr, DETACHED).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("15")));
    assert_eq!(answer.json()["reason"], "detached calls cannot be written down: the store is away");
    other.execute_batch("ALTER TABLE hidden RENAME TO calls").unwrap();
    assert_eq!(becomes(&store, &id, Status::Success).await.attempts, 1);
    becomes(&store, &accepted(&node).await, Status::Success).await;
}

#[tokio::test]
async fn a_call_that_was_waited_for_leaves_a_record_where_all_do() {
    let config = Config { records: Records::All, ..Config::default() };
    let store = store().await;
    let (node, _calls, _heard) = told(&store, config, vec![Ok(reply("yes")), Err(Kind::TimedOut)]).await;
    for status in [Status::Success, Status::Timeout] {
        let answer = ask(node.addr, "GET /t/shop HTTP/1.1\nHost: t\n\n").await;
        let id = answer.header("fn-call-id").unwrap();
        let record = soon(async {
            loop {
                // Nobody waits for it to be written.
                if let Ok(record) = store.call("f", id).await {
                    return record;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert_eq!(record.await.status, status);
    }
}

#[tokio::test]
async fn a_detached_body_is_bounded() {
    let config = Config { body_bytes_max: 1, ..Config::default() };
    let (node, _calls, _heard) = told(&store().await, config, Vec::new()).await;
    let answer = ask(node.addr, DETACHED).await;
    assert_eq!((answer.status, &answer.json()["code"]), (413, &"request_too_large".into()));
}

#[tokio::test]
async fn who_announces_bodies_and_sends_none_keeps_nobody_out() {
    let config = Config { body_bytes_max: 64 << 10, memory_bytes_max: 64 << 10, ..Config::default() };
    let store = store().await;
    let (node, _calls, _heard) = told(&store, config, Vec::new()).await;
    let mut silent = Client::connect(node.addr).await;
    silent.send("POST /invoke/f HTTP/1.1\nHost: t\nFn-Invoke-Type: detached\nExpect: 100-continue\n").await;
    silent.send("content-length: 65535\n\n").await;
    // From here on its body is waited for.
    silent.until("100 Continue\r\n\r\n").await;
    becomes(&store, &accepted(&node).await, Status::Success).await;
}

#[tokio::test]
async fn what_waits_to_be_written_down_is_in_memory_and_counts_there() {
    let config = Config { running_max: 1, memory_bytes_max: 64 << 10, ..Config::default() };
    let store = store().await;
    let app = store.create_app(App { name: "busy".to_owned(), ..App::default() }).await.unwrap();
    let (node, calls) = serve_detached(store.clone(), config, |_| std::future::pending()).await;
    accepted(&node).await;
    // A write that takes its time has the store's only connection.
    let (writing, goes_on) = (Arc::new(Semaphore::new(0)), Arc::new(std::sync::Barrier::new(2)));
    let writer = std::thread::spawn({
        let (store, writing, goes_on) = (store.clone(), writing.clone(), goes_on.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        move || {
            let written = runtime.block_on(store.update_app(&app.id, |app| {
                writing.add_permits(1);
                goes_on.wait();
                app.shape = "any".to_owned();
                Ok::<_, StoreError>(())
            }));
            written.map(drop)
        }
    });
    soon(writing.acquire()).await.unwrap().forget();
    let long = || Call { body: "x".repeat(40_000).into(), ..Call::new("f", "") };
    let mut waits = pin!(calls.accept(long()));
    assert!(poll_fn(|cx| Poll::Ready(waits.as_mut().poll(cx).is_pending())).await);
    let fault = soon(calls.accept(long())).await.unwrap_err();
    assert_eq!(fault.reason(), Some("bodies of detached calls take 65536 bytes of memory, as much as they may"));
    goes_on.wait();
    writer.join().unwrap().unwrap();
    soon(waits).await.unwrap();
}

#[tokio::test]
async fn a_call_of_nobody_is_not_accepted() {
    let (node, _calls, _heard) = told(&store().await, Config::default(), Vec::new()).await;
    let answer = ask(node.addr, &DETACHED.replace("/f ", "/nobody ")).await;
    assert_eq!((answer.status, &answer.json()["code"]), (404, &"unknown_function".into()));
}

#[tokio::test]
async fn who_keeps_no_calls_says_so() {
    let node = serve(|_| async { Ok(reply("")) }).await;
    assert_eq!(ask(node.addr, DETACHED).await.status, 501);
}

#[tokio::test]
async fn a_trigger_is_never_detached() {
    let (node, _calls) = serve_detached(store().await, Config::default(), |_| async { Ok(reply("waited for")) }).await;
    let answer = ask(node.addr, "GET /t/shop HTTP/1.1\nHost: t\nFn-Invoke-Type: detached\n\n").await;
    assert_eq!((answer.status, &*answer.body), (200, "waited for"));
}
