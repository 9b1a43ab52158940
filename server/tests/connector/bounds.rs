//! What is bounded, and what happens at the bound.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[tokio::test]
async fn reading_stops_at_the_calls_there_may_be_and_goes_on_after() {
    let (under_way, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let stage = Stage::answering({
        let (under_way, most) = (under_way.clone(), most.clone());
        move |asked| {
            let (under_way, most) = (under_way.clone(), most.clone());
            async move {
                most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                under_way.fetch_sub(1, Ordering::SeqCst);
                Ok(reply(&asked.json()))
            }
        }
    });
    let path = stage.lines(json!({"call": "f", "in_flight": 4, "in_flight_total": 6}));
    let work = (0..3).map(|_| async {
        let mut peer = Peer::connect(&path).await;
        let text: String = (0..500).map(|n| format!("{n}\n")).collect();
        peer.send(&text).await;
        peer.finish().await;
        assert_eq!(peer.rest().await, text);
    });
    futures_util::future::join_all(work).await;
    assert!((2..=6).contains(&most.load(Ordering::SeqCst)), "{most:?}");
}

#[tokio::test]
async fn one_that_does_not_read_is_closed_and_costs_no_more_than_its_bounds() {
    let stage = Stage::new();
    let path = stage.lines(json!({"write_timeout_ms": 200}));
    let mut peer = Peer::connect(&path).await;
    let line = format!("\"{}\"\n", "x".repeat(1000));
    // Far more than sockets and bounds hold: at last nothing more is taken, and then it is closed.
    let sent = soon(async {
        let mut sent = 0;
        while peer.write.write_all(line.as_bytes()).await.is_ok() {
            sent += line.len();
        }
        sent
    })
    .await;
    assert!(sent < 4 << 20, "{sent} bytes were taken from one that reads nothing");
    until(|| stage.shown("lines")["peers"].as_array().unwrap().is_empty()).await;
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_there_is_room_after_one_left() {
    let stage = Stage::new();
    let path = stage.lines(json!({"max_connections": 2}));
    let mut first = Peer::connect(&path).await;
    let _second = Peer::connect(&path).await;
    let mut third = Peer::connect(&path).await;
    assert_eq!(third.line().await, None);
    assert_eq!(stage.shown("lines")["counts"]["refused"], 1);
    first.send("1\n").await;
    assert_eq!(first.json().await, 1, "the others do not notice");
    drop(first);
    let mut fourth = Peer::connect(&path).await;
    fourth.send("4\n").await;
    assert_eq!(fourth.json().await, 4);
}

#[tokio::test]
async fn a_frame_must_become_whole_and_an_idle_peer_may_be_closed() {
    let stage = Stage::new();
    let path = stage.lines(json!({"frame_timeout_s": 1}));
    let (mut slow, mut idle) = (Peer::connect(&path).await, Peer::connect(&path).await);
    slow.send("{\"begun\":").await;
    assert_eq!(slow.line().await, None);
    idle.send("1\n").await;
    assert_eq!(idle.json().await, 1, "one that is only idle is not closed");
    stage.connectors.stop("lines").await.unwrap();

    let path = stage.lines(json!({"idle_timeout_s": 1}));
    let mut idle = Peer::connect(&path).await;
    assert_eq!(idle.line().await, None);
}

#[tokio::test]
async fn numbers_of_connections_are_never_given_again() {
    let stage = Stage::new();
    let path = stage.lines(json!({}));
    let mut seen = Vec::new();
    for _ in 0..5 {
        let mut peer = Peer::connect(&path).await;
        peer.send("1\n").await;
        peer.json().await;
        seen.push(stage.shown("lines")["peers"][0].as_u64().unwrap());
        drop(peer);
        until(|| stage.shown("lines")["peers"].as_array().unwrap().is_empty()).await;
    }
    assert!(seen.is_sorted() && seen.windows(2).all(|two| two[0] != two[1]), "{seen:?}");
}

#[tokio::test]
async fn what_was_read_before_the_end_is_answered() {
    let begun = Arc::new(tokio::sync::Semaphore::new(0));
    let stage = Stage::answering({
        let begun = begun.clone();
        move |asked| {
            begun.add_permits(1);
            async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(reply(&asked.json()))
            }
        }
    });
    let path = stage.lines(json!({"call": "f"}));
    let mut peer = Peer::connect(&path).await;
    peer.send("1\n").await;
    soon(begun.acquire()).await.unwrap().forget();
    stage.connectors.stop("lines").await.unwrap();
    assert_eq!(peer.rest().await, "1\n");
    assert!(!path.exists());
}
