//! A node that is killed leaves nothing behind for long.

use std::path::PathBuf;

use hotfn_tests::client::{self, held, whole};
use hotfn_tests::node::{Function, Home};
use hotfn_tests::{binaries, soon};
use rustix::process::Signal;

#[tokio::test]
async fn after_a_kill_under_load_nothing_of_the_old_node_remains() {
    let image = binaries::image("echo");
    let home = Home::of(&[
        Function::new("socket", &image).set("min_warm", 2),
        Function::new("pipes", &image).set("format", "json"),
    ]);
    let node = home.start().await;

    // Load: calls that are held in flight, and others that come and go all the while.
    let mut holds = Vec::new();
    for n in 0..8 {
        let (body, hold) = held("in", " flight");
        holds.push(hold);
        let id = if n % 2 == 0 { "socket" } else { "pipes" };
        let mut connection = node.connect().await;
        tokio::spawn(async move { connection.call(client::invoke(id, body)).await });
    }
    let mut busy = Vec::new();
    for _ in 0..4 {
        let mut connection = node.connect().await;
        busy.push(tokio::spawn(async move {
            let mut calls = 0;
            while let Ok(answer) = connection.call(client::invoke("socket", whole("busy"))).await {
                assert_eq!(answer.ok().text(), "busy");
                calls += 1;
            }
            calls
        }));
    }
    soon("containers for the load", || (home.containers().len() >= 6).then_some(())).await;
    assert_eq!(node.invoke("socket", "one more").await.ok().text(), "one more");
    let old_processes = home.containers();
    let old_files = home.files();
    assert!(!old_files.is_empty(), "containers have directories");

    node.signal(Signal::KILL);
    node.end().await;
    soon("the containers to follow their node", || home.containers().is_empty().then_some(())).await;
    for calls in busy {
        assert!(calls.await.unwrap() > 0, "the load was answered until the kill");
    }

    let node = home.start().await;
    assert_eq!(node.invoke("socket", "hello").await.ok().text(), "hello");
    assert_eq!(node.invoke("pipes", "hello").await.ok().text(), "hello");
    let left: Vec<&PathBuf> = old_files.iter().filter(|path| path.symlink_metadata().is_ok()).collect();
    assert!(left.is_empty(), "of the old node there is still {left:?}");
    assert!(home.containers().iter().all(|pid| !old_processes.contains(pid)));

    node.drain().await;
    home.is_bare();
}
