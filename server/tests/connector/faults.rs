//! What goes wrong on one connection, and nobody else notices.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Case 18.
#[tokio::test]
async fn one_that_only_finished_sending_gets_its_reply() {
    let path_of = |stage: &Stage| stage.lines(json!({"call": "f"}));
    let stage = Stage::answering(|asked| async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(reply(&asked.json()))
    });
    let mut peer = Peer::connect(&path_of(&stage)).await;
    // The last line has no end.
    peer.send("{\"a\":1}\n{\"b\":2}").await;
    peer.finish().await;
    assert_eq!(peer.rest().await, "{\"a\":1}\n{\"b\":2}\n");
}

/// Case 19.
#[tokio::test]
async fn ten_thousand_that_leave_before_their_reply_disturb_nobody() {
    let stage = Stage::answering(|asked| async move {
        tokio::task::yield_now().await;
        Ok(reply(&asked.json()))
    });
    let path = stage.lines(json!({"call": "f"}));
    let mut quiet = Peer::connect(&path).await;
    for n in 0..10_000 {
        let mut rude = Peer::connect(&path).await;
        rude.send("{\"rude\":1}\n").await;
        drop(rude);
        if n % 1000 == 0 {
            quiet.send("{\"quiet\":1}\n").await;
            assert_eq!(quiet.json().await, json!({"quiet": 1}));
        }
    }
    until(|| stage.shown("lines")["peers"].as_array().unwrap().len() == 1).await;
}

/// Case 20.
#[tokio::test]
async fn calls_of_one_that_left_are_cancelled_or_finish_as_wanted() {
    for finish in [false, true] {
        let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let go = Arc::new(tokio::sync::Notify::new());
        let stage = Stage::answering({
            let (begun, ended, go) = (begun.clone(), ended.clone(), go.clone());
            move |_| {
                let (begun, ended, go) = (begun.clone(), ended.clone(), go.clone());
                async move {
                    begun.fetch_add(1, Ordering::SeqCst);
                    go.notified().await;
                    ended.fetch_add(1, Ordering::SeqCst);
                    Ok(reply(&json!(0)))
                }
            }
        });
        let path = stage.lines(json!({"call": "f", "finish": finish}));
        let mut peer = Peer::connect(&path).await;
        peer.send("{}\n").await;
        until(|| begun.load(Ordering::SeqCst) == 1).await;
        drop(peer);
        until(|| stage.shown("lines")["peers"].as_array().unwrap().is_empty()).await;
        go.notify_one();
        if finish {
            until(|| ended.load(Ordering::SeqCst) == 1).await;
        } else {
            stage.connectors.stop_all().await;
            assert_eq!(ended.load(Ordering::SeqCst), 0);
        }
    }
}

/// Cases 13 and 14.
#[tokio::test]
async fn good_lines_around_bad_ones_are_answered() {
    let stage = Stage::new();
    let path = stage.lines(json!({"max_frame": 16, "on_decode_error": "reply", "on_frame_error": "reply"}));
    let mut peer = Peer::connect(&path).await;
    peer.send(&format!("1\nnonsense\n2\n\"{}\"\n3\n", "x".repeat(100))).await;
    assert_eq!(peer.json().await, 1);
    let wrong = peer.json().await;
    assert_eq!(
        (&wrong["kind"], &wrong["pull_id"], &wrong["data"]),
        (&json!("decode"), &json!(1), &json!("bm9uc2Vuc2U="))
    );
    assert_eq!(peer.json().await, 2);
    assert_eq!(peer.json().await["kind"], "frame");
    assert_eq!(peer.json().await, 3);
    assert_eq!(stage.shown("lines")["counts"]["errors"], json!({"decode": 1, "fault": 0, "frame": 1, "write": 0}));
}

/// Case 15.
#[tokio::test]
async fn a_last_line_without_its_end_is_an_event_like_any_other() {
    let stage = Stage::answering(|asked| async move {
        let names = ["fn-connector-peer", "fn-connector-seq", "fn-connector-uid", "fn-connector-meta"];
        Ok(reply(&json!(names.map(|name| asked.header(name)))))
    });
    let path = stage.lines(json!({"call": "f"}));
    let mut peer = Peer::connect(&path).await;
    peer.send("1\n2").await;
    peer.finish().await;
    let (whole, unfinished) = (peer.json().await, peer.json().await);
    assert_eq!((&whole[1], &unfinished[1]), (&json!("0"), &json!("1")));
    for n in [0, 2, 3] {
        assert_eq!(whole[n], unfinished[n]);
        assert_ne!(whole[n], "", "it is told");
    }
}

#[tokio::test]
async fn a_policy_may_close_or_say_nothing() {
    let stage = Stage::new();
    let path = stage.lines(json!({"on_decode_error": "close"}));
    let mut peer = Peer::connect(&path).await;
    peer.send("1\nnonsense\n2\n").await;
    assert_eq!(peer.rest().await, "1\n");
    stage.connectors.stop("lines").await.unwrap();

    let path =
        stage.lines(json!({"on_decode_error": "drop", "err_to": format!("file:{}", stage.path("errors").display())}));
    let mut peer = Peer::connect(&path).await;
    peer.send("nonsense\n2\n").await;
    assert_eq!(peer.json().await, 2);
    stage.connectors.stop_all().await;
    assert_eq!(std::fs::read_to_string(stage.path("errors")).unwrap(), "");
}

#[tokio::test]
async fn troubles_may_be_told_to_a_file() {
    let stage = Stage::new();
    let path = stage.lines(json!({"err_to": format!("file:{}", stage.path("errors").display())}));
    let mut peer = Peer::connect(&path).await;
    peer.send("nonsense\n2\n").await;
    assert_eq!(peer.json().await, 2);
    stage.connectors.stop_all().await;
    let told: Value = serde_json::from_str(&std::fs::read_to_string(stage.path("errors")).unwrap()).unwrap();
    assert_eq!((&told["source"], &told["kind"]), (&json!("lines"), &json!("decode")));
}

/// Case 16.
#[tokio::test]
async fn a_hundred_connections_keep_their_frames_apart() {
    let stage = Stage::new();
    let path = stage.lines(json!({}));
    let mut peers = Vec::new();
    for _ in 0..100 {
        peers.push(Peer::connect(&path).await);
    }
    for piece in ["{\"n\"", ":", "%", "}\n"] {
        for (n, peer) in peers.iter_mut().enumerate() {
            peer.send(&piece.replace('%', &n.to_string())).await;
        }
    }
    for (n, peer) in peers.iter_mut().enumerate() {
        assert_eq!(peer.json().await, json!({"n": n}));
    }
}

/// Case 11.
#[tokio::test]
async fn a_length_that_is_believed_by_nobody_ends_its_connection_alone() {
    let stage = Stage::new();
    let path = stage.lines(json!({"preprocessors": ["length-prefixed"]}));
    let (mut liar, mut honest) = (Peer::connect(&path).await, Peer::connect(&path).await);
    liar.write.write_all(&[0x7f, 255, 255, 255, 255, 255, 255, 255]).await.unwrap();
    assert_eq!(liar.line().await, None);
    honest.write.write_all(b"\0\0\0\0\0\0\0\x01").await.unwrap();
    honest.send("7").await;
    assert_eq!(honest.json().await, 7);
}
