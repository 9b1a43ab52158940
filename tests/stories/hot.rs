//! Many containers hot at once, watched by one inotify instance.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use futures_util::future::join_all;
use hotfn_tests::client::{self, held};
use hotfn_tests::node::{Function, Home};
use hotfn_tests::{binaries, processes, until};
use http::Method;
use tokio::task::JoinHandle;

/// The kernel lets a user have 128 inotify instances. One a container would stop there.
const CONTAINERS: usize = 500;
/// How many are started together: a start may take its time, five hundred at once too much of it.
const BATCH: usize = 50;

#[tokio::test]
async fn five_hundred_containers_are_hot_at_once() {
    let instances = fs::read_to_string("/proc/sys/fs/inotify/max_user_instances").unwrap();
    println!("fs.inotify.max_user_instances = {}", instances.trim());
    let function = Function::new("echo", &binaries::image("echo")).set("timeout", 300).set("idle_timeout", 300);
    // They are small; the node is told that it has room for all of them.
    let settings = [("memory", 64 * 1024), ("start_timeout_ms", 30_000), ("connections_max", 4096)];
    let home = Home::with(&settings, &[function]);
    let node = home.start().await;

    // Each call stays in flight until all have a container, so none can share one.
    let mut holds = Vec::new();
    let mut answers = Vec::new();
    while answers.len() < CONTAINERS {
        for _ in 0..BATCH {
            let (body, hold) = held("hot", " still");
            holds.push(hold);
            let mut connection = node.connect().await;
            answers.push(tokio::spawn(async move { connection.call(client::invoke("echo", body)).await }));
        }
        let wanted = answers.len();
        let all_hot = || {
            assert!(!answers.iter().any(JoinHandle::is_finished), "a call ended early:\n{}", node.said());
            (home.containers().len() >= wanted).then_some(())
        };
        until(&format!("{wanted} containers"), Duration::from_secs(60), all_hot).await;
    }
    let containers: BTreeSet<u32> = home.containers().into_iter().collect();
    assert_eq!(containers.len(), CONTAINERS);
    assert_eq!(processes::descriptors(node.pid(), "anon_inode:inotify"), 1, "one instance for all containers");

    for hold in holds {
        hold.release();
    }
    for answer in join_all(answers).await {
        assert_eq!(answer.unwrap().unwrap().ok().text(), "hot still");
    }
    // And they stayed the same ones, hot for the next call.
    assert_eq!(home.containers().into_iter().collect::<BTreeSet<u32>>(), containers);
    assert_eq!(node.invoke("echo", "again").await.ok().text(), "again");

    node.drain().await;
    home.is_bare();
}

#[tokio::test]
async fn how_long_launches_take_is_measured_phase_by_phase() {
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    let node = home.start().await;
    for _ in 0..3 {
        assert_eq!(node.invoke("echo", "hi").await.ok().text(), "hi");
    }
    let metrics = node.api(Method::GET, "/metrics", None).await.ok();
    assert_eq!(metrics.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    for phase in ["image", "create", "start", "socket"] {
        let line = format!("hotfn_launch_seconds_count{{driver=\"process\",phase=\"{phase}\"}} 1\n");
        assert!(metrics.text().contains(&line), "{line}{}", metrics.text());
    }
    node.drain().await;
}
