//! Connectors that connect.

use tokio::net::UnixListener;

use super::*;

const RETRY: fn() -> Value = || json!({"retry": {"interval_ms": 20, "growth_rate": 2.0, "randomized": false}});

async fn accept(listener: &UnixListener) -> Peer {
    let (stream, _) = soon(listener.accept()).await.unwrap();
    let (read, write) = stream.into_split();
    Peer { lines: BufReader::new(read).lines(), write }
}

/// Cases 32 and 37.
#[tokio::test]
async fn it_tries_as_often_as_it_may_and_says_so() {
    let stage = Stage::new();
    let retry = json!({"retry": {"interval_ms": 100, "growth_rate": 2.0, "max_retries": 3, "randomized": false}});
    let began = std::time::Instant::now();
    stage.start("client", "unix_socket_client", json!({"reconnect": retry})).unwrap();
    until(|| stage.shown("client")["state"]["state"] == "failed").await;
    let took = began.elapsed().as_millis();
    assert!((295..420).contains(&took), "tries at 0, 100 and 300 ms, and {took} ms it took");
    let state = stage.shown("client")["state"].clone();
    assert_eq!(state["attempts"], 3);
    assert!(state["last_error"].as_str().unwrap().contains("No such file"), "{state}");
    assert!(!stage.connectors.is_ready());
}

/// Cases 34 and 35.
#[tokio::test]
async fn it_comes_back_when_its_peer_closed_while_nothing_was_said() {
    let stage = Stage::new();
    let listener = UnixListener::bind(stage.path("lines")).unwrap();
    stage.start("client", "unix_socket_client", json!({"reconnect": RETRY()})).unwrap();
    for _ in 0..3 {
        drop(accept(&listener).await);
    }
    let mut peer = accept(&listener).await;
    peer.send("1\n").await;
    assert_eq!(peer.json().await, 1);
    let shown = stage.shown("client");
    assert_eq!((&shown["state"]["state"], &shown["state"]["attempts"]), (&json!("connected"), &json!(0)));
    assert_eq!(shown["counts"]["reconnects"], 3);
}

/// Case 36.
#[tokio::test]
async fn events_wait_while_it_is_down_and_the_oldest_go_beyond_the_bound() {
    let stage = Stage::new();
    let options = json!({"reconnect": RETRY(), "buffer": 3, "path": stage.path("down").to_str().unwrap()});
    stage.start("client", "unix_socket_client", options).unwrap();
    let path = stage.lines(json!({"to": ["client", "reply"]}));
    let mut peer = Peer::connect(&path).await;
    for n in 0..5 {
        peer.send(&format!("{n}\n")).await;
        peer.json().await;
    }
    let shown = stage.shown("client");
    assert_eq!((&shown["queue"], &shown["forgotten"]), (&json!(3), &json!(2)));
    let listener = UnixListener::bind(stage.path("down")).unwrap();
    let mut up = accept(&listener).await;
    assert_eq!([up.json().await, up.json().await, up.json().await], [json!(2), json!(3), json!(4)]);
}

/// Case 1.
#[tokio::test]
async fn the_pages_scenario() {
    let stage = Stage::new();
    let file = |name: &str| format!("file:{}", stage.path(name).display());
    let documents: String = (0..6).map(|n| format!("{{\"n\":{n},\"text\":\"event {n}\"}}\n")).collect();
    std::fs::write(stage.path("in.json"), &documents).unwrap();
    stage.lines(json!({"to": ["reply", file("server_out.log")]}));
    let client = json!({"from": file("in.json"), "to": [file("client_out.log")]});
    stage.start("client", "unix_socket_client", client).unwrap();
    soon(stage.connectors.finished("client")).await;
    assert_eq!(stage.shown("client")["state"]["state"], "finished");
    stage.connectors.stop_all().await;
    for log in ["server_out.log", "client_out.log"] {
        assert_eq!(std::fs::read_to_string(stage.path(log)).unwrap(), documents, "{log}");
    }
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_refused() {
    let stage = Stage::new();
    let refused = stage.start("lines", "unix_socket_server", json!({"to": ["nobody"]})).unwrap_err();
    assert_eq!(refused.to_string(), "connector \"lines\": to: there is no client connector \"nobody\"");
    assert!(!stage.path("lines").exists(), "what it had claimed is free again");
}

#[tokio::test]
async fn one_that_waits_in_a_full_backlog_stops_when_it_is_told_to() {
    let stage = Stage::new();
    let listener = std::os::unix::net::UnixListener::bind(stage.path("lines")).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let _before = std::os::unix::net::UnixStream::connect(stage.path("lines")).unwrap();
    stage.start("client", "unix_socket_client", json!({"reconnect": RETRY()})).unwrap();
    until(|| stage.shown("client")["state"]["state"] == "connecting").await;
    soon(stage.connectors.stop_all()).await;
}
