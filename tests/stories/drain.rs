//! A node that is asked to end finishes what it has.

use std::time::Duration;

use hotfn_tests::binaries;
use hotfn_tests::client::{self, Connection, held, whole};
use hotfn_tests::node::{Function, Home};
use http::Method;
use rustix::process::Signal;

#[tokio::test]
async fn calls_in_flight_finish_and_new_ones_get_503() {
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    let node = home.start().await;
    assert_eq!(node.invoke("echo", "warm").await.ok().text(), "warm");

    let (body, hold) = held("first", " and last");
    let mut connection = node.connect().await;
    let in_flight = tokio::spawn(async move { connection.call(client::invoke("echo", body)).await });
    // It has the warm container, so this one is given another: both are at work.
    assert_eq!(node.invoke("echo", "second").await.ok().text(), "second");

    node.signal(Signal::TERM);
    let refused = async {
        loop {
            // Until the signal has arrived calls are answered as before.
            let answer = match Connection::open(node.address()).await {
                Ok(mut connection) => connection.call(client::invoke("echo", whole("late"))).await,
                Err(e) => panic!("a draining node says so, but: {e}"),
            };
            match answer {
                Ok(answer) if answer.status == 200 => {}
                Ok(answer) => break answer.is(503),
                Err(e) => panic!("a draining node says so, but: {e}"),
            }
        }
    };
    let refused =
        tokio::time::timeout(Duration::from_secs(10), refused).await.expect("draining begins with the signal");
    assert_eq!(refused.header("retry-after"), "15");
    assert_eq!(refused.json()["code"], "draining");

    hold.release();
    assert_eq!(in_flight.await.unwrap().unwrap().ok().text(), "first and last");
    let (status, said) = node.end().await;
    assert!(status.success(), "{status}\n{said}");
    home.is_bare();
}

#[tokio::test]
async fn an_idle_node_ends_at_once() {
    let home = Home::of(&[Function::new("echo", &binaries::image("echo")).set("min_warm", 3)]);
    let node = home.start().await;
    assert_eq!(node.invoke("echo", "warm").await.ok().text(), "warm");
    tokio::time::timeout(Duration::from_secs(10), node.drain()).await.expect("nothing keeps it");
    home.is_bare();
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let home = Home::with(&[("drain_patience", 3600)], &[Function::new("echo", &binaries::image("echo"))]);
    let node = home.start().await;
    assert_eq!(node.invoke("echo", "warm").await.ok().text(), "warm");
    let (body, _hold) = held("first", " and never last");
    let mut connection = node.connect().await;
    let in_flight = tokio::spawn(async move { connection.call(client::invoke("echo", body)).await });
    let under_way =
        async { while !node.api(Method::GET, "/metrics", None).await.ok().text().contains("\nfn_running 1\n") {} };
    tokio::time::timeout(Duration::from_secs(30), under_way).await.expect("a call is under way soon");
    node.signal(Signal::INT);
    node.says("draining").await;
    node.signal(Signal::INT);
    let (status, said) = tokio::time::timeout(Duration::from_secs(15), node.end()).await.expect("nothing keeps it");
    assert!(status.success(), "{status}\n{said}");
    let cut = in_flight.await.unwrap();
    assert!(cut.is_err() || cut.is_ok_and(|answer| answer.status != 200), "the call did not end well");
    home.is_bare();
}
