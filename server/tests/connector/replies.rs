//! Events become calls, and what comes of them goes where it belongs.

use std::sync::Mutex;
use std::time::Duration;

use hotfn_protocols::{Fault, Kind};

use super::*;

/// Cases 2, 3 and 38.
#[tokio::test]
async fn the_function_learns_who_sent_what_and_its_reply_goes_back() {
    let stage = Stage::answering(|asked| async move {
        let names = ["fn-connector", "fn-connector-seq", "fn-connector-pid", "content-type"];
        let headers: Vec<_> = names.iter().map(|name| asked.header(name)).collect();
        let meta: Value = serde_json::from_str(&asked.header("fn-connector-meta")).unwrap();
        Ok(reply(
            &json!({"body": asked.json(), "headers": headers, "meta": meta, "due": asked.call.deadline.is_some()}),
        ))
    });
    let path = stage.lines(json!({"call": "app/fn", "deadline_ms": 5000}));
    let mut peer = Peer::connect(&path).await;
    let mut other = Peer::connect(&path).await;
    peer.send("{\"a\":1}\n[2]\n").await;
    let (first, second) = (peer.json().await, peer.json().await);
    let pid = std::process::id().to_string();
    assert_eq!(first["body"], json!({"a": 1}));
    assert_eq!(first["headers"], json!(["lines", "0", pid, "application/json"]));
    assert_eq!(second["headers"][1], "1");
    assert_eq!(first["due"], true);
    other.send("{}\n").await;
    let theirs = other.json().await;
    let meta = |answer: &Value| answer["meta"]["unix_socket_server"].clone();
    assert_eq!(meta(&first)["path"], path.to_str().unwrap());
    assert_ne!(meta(&first)["peer"], meta(&theirs)["peer"]);
}

/// Case 4.
#[tokio::test]
async fn a_reply_goes_to_a_peer_it_names_if_it_may() {
    for (scope, delivered) in [("any", true), ("own", false)] {
        let stage = Stage::answering(|asked| async move {
            let event = asked.json();
            let mut answer = reply(&event);
            if let Some(to) = event["to"].as_str() {
                answer.head.headers.insert("fn-connector-peer", to.parse().unwrap());
            }
            Ok(answer)
        });
        let path = stage.lines(json!({"call": "f", "peer_scope": scope}));
        let (mut one, mut other) = (Peer::connect(&path).await, Peer::connect(&path).await);
        until(|| stage.shown("lines")["peers"].as_array().unwrap().len() == 2).await;
        let ids = stage.shown("lines")["peers"].clone();
        one.send(&format!("{{\"to\":\"{}\"}}\n", ids[1])).await;
        if delivered {
            assert_eq!(other.json().await["to"], ids[1].to_string());
        } else {
            until(|| stage.shown("lines")["counts"]["undelivered"] == 1).await;
        }
        one.send("{\"to\":\"9999999\"}\n{}\n").await;
        assert_eq!(one.json().await, json!({}), "nobody gets it instead");
        other.send("{}\n").await;
        assert_eq!(other.json().await, json!({}));
    }
}

/// Case 5.
#[tokio::test]
async fn a_batch_is_one_call_and_each_origin_gets_its_part_or_the_whole_once() {
    let stage = Stage::answering(|asked| async move {
        let events = asked.json();
        let answer = if events[0]["split"] == true { events } else { json!({"all": events.as_array().unwrap().len()}) };
        Ok(reply(&answer))
    });
    let path = stage.lines(json!({"call": "f", "batch": {"max_events": 4, "max_wait_ms": 30_000}}));
    let (mut one, mut other) = (Peer::connect(&path).await, Peer::connect(&path).await);
    one.send("{\"split\":true,\"n\":1}\n{\"n\":2}\n").await;
    other.send("{\"n\":3}\n{\"n\":4}\n").await;
    let mut seen = [one.json().await, one.json().await, other.json().await, other.json().await];
    seen.sort_by_key(|event| event["n"].as_u64());
    assert_eq!(seen.iter().map(|event| event["n"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4]);
    one.send("1\n2\n").await;
    other.send("3\n4\n").await;
    assert_eq!((one.json().await, other.json().await), (json!({"all": 4}), json!({"all": 4})));
    one.finish().await;
    other.finish().await;
    assert_eq!((one.rest().await, other.rest().await), (String::new(), String::new()), "once each");
}

/// Case 23.
#[tokio::test]
async fn order_is_kept_with_many_calls_under_way() {
    let stage = Stage::answering(|asked| async move {
        let n = asked.json().as_u64().unwrap();
        tokio::time::sleep(Duration::from_millis(n * 7919 % 13)).await;
        Ok(reply(&json!(n)))
    });
    let path = stage.lines(json!({"call": "f", "in_flight": 8}));
    let mut peer = Peer::connect(&path).await;
    let lines: String = (0..200).map(|n| if n == 100 { "bad\n".to_owned() } else { format!("{n}\n") }).collect();
    peer.send(&lines).await;
    peer.finish().await;
    let expected: String = (0..200).filter(|n| *n != 100).map(|n| format!("{n}\n")).collect();
    assert_eq!(peer.rest().await, expected);
}

/// Case 39.
#[tokio::test]
async fn no_success_is_a_fault_and_no_content_is_nothing() {
    let stage = Stage::answering(|asked| async move {
        let mut answer = reply(&json!("unread"));
        answer.head.status = http::StatusCode::from_u16(asked.json().as_u64().unwrap() as u16).unwrap();
        Ok(answer)
    });
    let path = stage.lines(json!({"call": "f"}));
    let mut peer = Peer::connect(&path).await;
    peer.send("204\n404\n200\n").await;
    let fault = peer.json().await;
    assert_eq!((&fault["kind"], &fault["error"]), (&json!("fault"), &json!("function answered 404")));
    assert_eq!(peer.json().await, "unread");
}

/// Case 38.
#[tokio::test]
async fn a_late_call_is_a_fault_and_the_connection_lives() {
    let stage = Stage::answering(|asked| async move {
        if asked.json() == json!("slow") {
            std::future::pending::<()>().await;
        }
        Ok(reply(&json!("ok")))
    });
    let path = stage.lines(json!({"call": "f", "deadline_ms": 50}));
    let mut peer = Peer::connect(&path).await;
    peer.send("\"slow\"\n\"fast\"\n").await;
    let late = peer.json().await;
    assert_eq!((&late["code"], &late["blame"]), (&json!("timed_out"), &json!("function")));
    assert_eq!(peer.json().await, "ok");
}

/// Case 40.
#[tokio::test]
async fn a_refused_call_is_made_again_and_nothing_is_lost() {
    let refusals = Arc::new(Mutex::new(5));
    let stage = Stage::answering(move |asked| {
        let mut left = refusals.lock().unwrap();
        let is_refused = *left > 0;
        *left -= i32::from(is_refused);
        async move { if is_refused { Err(Fault::new(Kind::Busy)) } else { Ok(reply(&asked.json())) } }
    });
    let path = stage.lines(json!({"call": "f"}));
    let mut peer = Peer::connect(&path).await;
    peer.send("1\n2\n3\n").await;
    assert_eq!([peer.json().await, peer.json().await, peer.json().await], [json!(1), json!(2), json!(3)]);
}

#[tokio::test]
async fn an_event_may_name_the_function_it_calls() {
    let stage = Stage::answering(|asked| async move { Ok(reply(&json!(asked.call.function.as_str()))) });
    let path = stage.lines(json!({"call": {"from": "$.fn", "prefix": "app/"}}));
    let mut peer = Peer::connect(&path).await;
    peer.send("{\"fn\":\"hello\"}\n{}\n").await;
    assert_eq!(peer.json().await, "app/hello");
    assert_eq!(peer.json().await["code"], "unknown_function");
}

#[tokio::test]
async fn an_operator_may_send_unasked_and_events_may_be_acknowledged() {
    let stage = Stage::new();
    let path = stage.lines(json!({"to": ["discard"], "ack": true}));
    let mut peer = Peer::connect(&path).await;
    peer.send("{}\n").await;
    assert_eq!(peer.json().await, json!({"seq": 0, "ok": true}));
    let id = stage.shown("lines")["peers"][0].as_u64().unwrap();
    stage.connectors.send("lines", id, json!("hello").into()).unwrap();
    assert_eq!(peer.json().await, "hello");
    assert!(stage.connectors.send("lines", id + 1, json!(0).into()).is_err());
}

#[tokio::test]
async fn an_event_that_a_crash_interrupted_is_called_again() {
    let stage = Stage::answering(|_| std::future::pending());
    let path = stage.lines(json!({"call": "f", "journal": true}));
    let mut peer = Peer::connect(&path).await;
    peer.send("{\"precious\":1}\n").await;
    let journal = stage.path("state/connectors/lines.journal");
    until(|| std::fs::metadata(&journal).is_ok_and(|file| file.len() > 0)).await;
    // What a process that was killed leaves on disk is all that the next one has.
    let next = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(next.path().join("state/connectors")).unwrap();
    std::fs::copy(&journal, next.path().join("state/connectors/lines.journal")).unwrap();
    let (told, mut called) = tokio::sync::mpsc::unbounded_channel();
    let double = Double(move |asked: Asked| {
        told.send((asked.json(), asked.header("fn-connector-seq"))).unwrap();
        std::future::ready(Ok(reply(&json!(null))))
    });
    let functions = Callable { invoke: Arc::new(double), directory: Arc::new(Everybody) };
    let world = World { functions, commands: None };
    let again = Stage { connectors: Stage::connectors(&next, world), folder: next };
    again.lines(json!({"call": "f", "journal": true}));
    assert_eq!(soon(called.recv()).await, Some((json!({"precious": 1}), "0".to_owned())));
    again.connectors.stop_all().await;
    again.lines(json!({"call": "f", "journal": true}));
    again.connectors.stop_all().await;
    assert!(called.try_recv().is_err(), "it is done with");
}

/// A server with a journal whose function answers when it is let, and tells of each event.
struct Held {
    stage: Stage,
    called: tokio::sync::mpsc::UnboundedReceiver<Value>,
    go: Arc<tokio::sync::Semaphore>,
}

impl Held {
    /// In `folder`, which may hold what an earlier one left.
    fn new(folder: tempfile::TempDir) -> Self {
        let (told, called) = tokio::sync::mpsc::unbounded_channel();
        let go = Arc::new(tokio::sync::Semaphore::new(0));
        let double = Double({
            let go = go.clone();
            move |asked: Asked| {
                told.send(asked.json()).unwrap();
                let go = go.clone();
                async move {
                    go.acquire().await.unwrap().forget();
                    Ok(reply(&asked.json()))
                }
            }
        });
        let functions = Callable { invoke: Arc::new(double), directory: Arc::new(Everybody) };
        let connectors = Stage::connectors(&folder, World { functions, commands: None });
        Self { stage: Stage { folder, connectors }, called, go }
    }

    fn lines(&self) -> PathBuf {
        self.stage.lines(json!({"call": "f", "journal": true, "drain_s": 0}))
    }
}

#[tokio::test]
async fn an_event_on_disk_is_owed_its_call_also_when_its_peer_has_left() {
    let mut held = Held::new(tempfile::tempdir().unwrap());
    let mut peer = Peer::connect(&held.lines()).await;
    peer.send("1\n").await;
    assert_eq!(soon(held.called.recv()).await, Some(json!(1)));
    drop(peer);
    until(|| held.stage.shown("lines")["peers"].as_array().unwrap().is_empty()).await;
    held.go.add_permits(1);
    until(|| held.stage.shown("lines")["counts"]["undelivered"] == 1).await;
    held.stage.connectors.stop_all().await;

    let mut next = Held::new(held.stage.folder);
    next.lines();
    next.stage.connectors.stop_all().await;
    assert!(next.called.try_recv().is_err(), "it is done with");
}

#[tokio::test]
async fn an_event_whose_call_did_not_end_in_time_is_kept_for_the_next_process() {
    let mut held = Held::new(tempfile::tempdir().unwrap());
    let mut peer = Peer::connect(&held.lines()).await;
    peer.send("1\n").await;
    assert_eq!(soon(held.called.recv()).await, Some(json!(1)));
    soon(held.stage.connectors.stop_all()).await;

    let mut next = Held::new(held.stage.folder);
    next.lines();
    assert_eq!(soon(next.called.recv()).await, Some(json!(1)));
    // Not even that one's end waits for it.
    soon(next.stage.connectors.stop_all()).await;
    let mut last = Held::new(next.stage.folder);
    last.lines();
    assert_eq!(soon(last.called.recv()).await, Some(json!(1)));
}
