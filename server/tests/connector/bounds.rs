//! What is bounded, and what happens at the bound.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Case 22; that memory stays flat is told by the stories.
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

/// Case 21.
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

/// Case 24: with the bound as it is by default.
#[tokio::test]
async fn one_connection_too_many_is_closed_and_there_is_room_after_one_left() {
    let stage = Stage::new();
    let path = stage.lines(json!({}));
    open_files(3000);
    let mut peers = Vec::new();
    for _ in 0..1024 {
        peers.push(Peer::connect(&path).await);
    }
    let mut one_more = Peer::connect(&path).await;
    assert_eq!(one_more.line().await, None);
    assert_eq!(stage.shown("lines")["counts"]["refused"], 1);
    for n in [0, 1023] {
        peers[n].send("1\n").await;
        assert_eq!(peers[n].json().await, 1, "those who are served do not notice");
    }
    drop(peers.pop());
    until(|| stage.shown("lines")["peers"].as_array().unwrap().len() < 1024).await;
    let mut next = Peer::connect(&path).await;
    next.send("4\n").await;
    assert_eq!(next.json().await, 4);
}

#[tokio::test]
async fn ten_thousand_that_should_not_be_here_do_not_hold_up_the_one_that_should() {
    let stage = Stage::new();
    let path = stage.lines(json!({"max_connections": 2}));
    let first = Peer::connect(&path).await;
    let mut second = Peer::connect(&path).await;
    let began = std::time::Instant::now();
    for _ in 0..10_000 {
        // The backlog is bounded as well; whoever connects waits for its turn in it.
        let mut refused = Peer::connect(&path).await;
        assert_eq!(refused.line().await, None);
    }
    // One after the other would wait for half an hour.
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    second.send("2\n").await;
    assert_eq!(second.json().await, 2);
    drop(first);
    until(|| stage.shown("lines")["peers"].as_array().unwrap().len() == 1).await;
    let mut next = Peer::connect(&path).await;
    next.send("3\n").await;
    assert_eq!(next.json().await, 3);
    assert_eq!(stage.shown("lines")["counts"]["refused"], 10_000);
}

/// Has this process open so many files and sockets.
fn open_files(wanted: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).unwrap();
    }
}

/// Case 25.
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

/// Case 26.
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

/// Case 41.
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

/// Case 41: all that one read brought.
#[tokio::test]
async fn events_that_wait_their_turn_when_it_ends_are_answered_too() {
    let begun = Arc::new(tokio::sync::Semaphore::new(0));
    let go = Arc::new(tokio::sync::Semaphore::new(0));
    let stage = Stage::answering({
        let (begun, go) = (begun.clone(), go.clone());
        move |asked| {
            begun.add_permits(1);
            let go = go.clone();
            async move {
                go.acquire().await.unwrap().forget();
                Ok(reply(&asked.json()))
            }
        }
    });
    let path = stage.lines(json!({"call": "f"}));
    let mut peer = Peer::connect(&path).await;
    peer.send("1\n2\n3\nunfinish").await;
    soon(begun.acquire()).await.unwrap().forget();
    let stopping = tokio::spawn({
        let connectors = stage.connectors.clone();
        async move { connectors.stop("lines").await }
    });
    until(|| !path.exists()).await;
    go.add_permits(3);
    assert_eq!(peer.rest().await, "1\n2\n3\n");
    soon(stopping).await.unwrap().unwrap();
}

#[tokio::test]
async fn half_a_frame_for_ever_ends_after_its_time_and_costs_what_came_of_it() {
    let stage = Stage::new();
    let frames = json!({"preprocessors": ["length-prefixed"], "frame_timeout_s": 1});
    let path = stage.lines(frames);
    let mut slow = Peer::connect(&path).await;
    // A frame of a megabyte is announced, and comes a byte at a time.
    slow.write.write_all(&(1_u64 << 20).to_be_bytes()).await.unwrap();
    let dripping = async {
        while slow.write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(dripping).await;
    until(|| stage.shown("lines")["peers"].as_array().unwrap().is_empty()).await;
}

/// Case 12.
#[tokio::test]
async fn a_bomb_is_an_error_and_the_next_frame_is_an_event() {
    let stage = Stage::new();
    let path = stage.lines(json!({
        "preprocessors": ["length-prefixed", "decompress"],
        "max_decompressed": "64KiB",
        "on_frame_error": "reply",
    }));
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        std::io::Write::write_all(&mut bomb, &vec![b' '; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    let mut peer = Peer::connect(&path).await;
    for frame in [&bomb[..], b"[\"still here\"]"] {
        peer.write.write_all(&(frame.len() as u64).to_be_bytes()).await.unwrap();
        peer.write.write_all(frame).await.unwrap();
    }
    let told = peer.json().await;
    assert_eq!(told["error"], "frame becomes longer than max_decompressed, 65536 bytes");
    assert_eq!(peer.json().await, json!(["still here"]));
}

#[tokio::test]
async fn one_that_sends_nonsense_waits_for_where_it_is_written_down() {
    let stage = Stage::new();
    let fifo = stage.path("errors");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // Somebody has it open and does not read.
    let _reader = std::fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    let path = stage.lines(json!({"err_to": format!("file:{}", fifo.display())}));
    let mut peer = Peer::connect(&path).await;
    let sending = async {
        loop {
            peer.write.write_all(b"nonsense\n").await.unwrap();
        }
    };
    // Far from what a second would bring if nothing held it up.
    let waits = async {
        let mut last = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let now = stage.shown("lines")["counts"]["errors"]["decode"].as_u64().unwrap();
            if now == last && now > 0 {
                return now;
            }
            last = now;
        }
    };
    let told = tokio::select! {
        () = sending => 0,
        told = soon(waits) => told,
    };
    assert!((1..100_000).contains(&told), "{told} lines of nonsense were taken");
}
