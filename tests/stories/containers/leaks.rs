//! Nothing is left of what is gone.

use hotfn_tests::node::{Function, Home};
use hotfn_tests::{client, processes, until};
use rustix::process::Signal;

use super::{House, PATIENCE, log, soon};

pub(super) async fn what_was_made_by_halves_is_removed(house: &House) {
    let spec = house.spec("").await;
    let node = spec.node.clone();
    let left = async || {
        soon(house.driver.settled()).await;
        house.driver.sweep(&node).await.unwrap()
    };

    // Whoever waits for it leaves at once, soon, and when it is made.
    drop(house.driver.create(spec.clone()));
    assert_eq!(left().await, 0, "left before it was made");
    let created = house.driver.create(spec.clone()).await.unwrap();
    drop(created);
    assert_eq!(left().await, 0, "left when it was made");
    house.driver.create(spec.clone()).await.unwrap().discard().await;
    assert_eq!(left().await, 0, "discarded");

    let (sink, _lines) = log();
    let created = house.driver.create(spec.clone()).await.unwrap();
    drop(created.start(sink.clone()));
    assert_eq!(left().await, 0, "left while it started");
    let container = house.driver.create(spec.clone()).await.unwrap().start(sink).await.unwrap();
    container.freeze().await.unwrap();
    drop(container);
    assert_eq!(left().await, 0, "left when it ran, and was frozen");
    until("the last process to go", PATIENCE, || processes::marked(&house.mark).is_empty().then_some(())).await;
}

pub(super) async fn of_a_killed_node_nothing_is_left(house: &House) {
    // Somebody else's, who lives.
    let (sink, _lines) = log();
    let theirs = house.driver.create(house.spec("").await).await.unwrap().start(sink).await.unwrap();
    let alive = processes::marked(&house.mark);

    let home = Home::of(&[
        Function::new("idle", &house.image("echo")).set("min_warm", 2),
        Function::new("busy", &house.image("faulty")),
        Function::new("pipes", &house.image("echo")).set("format", "json"),
    ]);
    let driver = ["--driver", house.kind];
    let node = home.start_with(&driver).await;
    for id in ["idle", "pipes"] {
        assert_eq!(node.invoke(id, "hello").await.ok().text(), "hello");
    }
    let mut connection = node.connect().await;
    tokio::spawn(async move { connection.call(client::invoke("busy", client::whole("hang"))).await });
    let busy = || home.containers().len() >= 4;
    until("all of its containers", PATIENCE, || busy().then_some(())).await;
    let (processes, files) = (home.containers(), home.files());

    node.signal(Signal::KILL);
    node.end().await;
    let node = home.start_with(&driver).await;
    until("the old containers to go", PATIENCE, || {
        home.containers().iter().all(|pid| !processes.contains(pid)).then_some(())
    })
    .await;
    assert_eq!(node.invoke("idle", "hello").await.ok().text(), "hello");
    let left: Vec<_> = files.iter().filter(|path| path.symlink_metadata().is_ok()).collect();
    assert!(left.is_empty(), "of the old node there is still {left:?}");
    node.drain().await;
    home.is_bare();

    // There may be more by now: its first process had only begun.
    let still = processes::marked(&house.mark);
    assert!(!alive.is_empty() && alive.iter().all(|pid| still.contains(pid)), "somebody else's: {alive:?}, {still:?}");
    soon(theirs.end(PATIENCE)).await;
}
