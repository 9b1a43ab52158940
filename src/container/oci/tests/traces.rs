//! Nothing of a container stays, however it or its agent goes.

use super::*;

#[tokio::test]
async fn what_is_dropped_is_removed() {
    if !is_possible() {
        return;
    }
    let world = World::new().await;
    drop(world.make(world.spec("made"), "true").await.unwrap());

    let mut shell = world.start(world.spec("started"), "echo up; sleep 1000").await;
    shell.line().await;
    drop(shell.running);

    // Dropped at some moment of its start, early and late.
    for (i, patience_ms) in [1, 5, 10, 20, 30].into_iter().enumerate() {
        let ready = world.make(world.spec(&format!("starting-{i}")), "sleep 1000").await.unwrap();
        let _ = tokio::time::timeout(Duration::from_millis(patience_ms), ready.run(log().0)).await;
    }
    gone(&world).await;

    let (state, node) = (world.engine.state.clone(), world.node.clone());
    world.engine.settled().await;
    drop(world.engine);
    assert!(!state.join(node).exists(), "the agent's own directory goes with the last of it");
}

#[test]
fn what_a_dead_agent_left_is_swept_and_nobody_elses() {
    if !is_possible() {
        return;
    }
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // An agent whose tasks end all at once, with nobody to clean up.
    let dying = runtime();
    let (world, shell) = dying.block_on(async {
        let world = World::new().await;
        let mut shell = world.start(world.spec("left"), "echo up; sleep 1000").await;
        shell.line().await;
        let made = world.make(world.spec("made"), "true").await.unwrap();
        std::mem::forget(made);
        (world, shell)
    });
    std::mem::forget(shell);
    drop(dying);
    assert!(!world.left().is_empty());

    runtime().block_on(async {
        let state = Some(world.engine.state.clone());
        let other = Engine::start(Config { state, ..Config::default() }).await.unwrap();
        let theirs = World { engine: other, dir: tempfile::tempdir().unwrap(), node: format!("{}-other", world.node) };
        make_layer(theirs.dir.path());
        let mut alive = theirs.start(theirs.spec("alive"), "read line; sleep 1000").await;

        assert_eq!(theirs.engine.sweep(&world.node).await.unwrap(), 2);
        assert_eq!(world.left(), Vec::<String>::new());
        assert_eq!(theirs.engine.sweep(&world.node).await.unwrap(), 0);

        assert!(alive.lines.try_recv().is_err());
        let ended = tokio::time::timeout(Duration::from_millis(50), alive.running.exit()).await;
        assert!(ended.is_ok() || theirs.left().len() > 1);
        alive.running.end(Duration::ZERO).await;
    });
}

#[tokio::test]
async fn a_hundred_start_at_once() {
    if !is_possible() {
        return;
    }
    let world = Arc::new(World::new().await);
    let starts = (0..100).map(|i| {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let mut shell = world.start(world.spec(&format!("one-of-{i}")), "echo up; exec sleep 1000").await;
            assert_eq!(shell.line().await, "up");
            shell
        })
    });
    let mut shells = Vec::new();
    for start in starts.collect::<Vec<_>>() {
        shells.push(start.await.unwrap());
    }
    let ends = shells.into_iter().map(|shell| tokio::spawn(async move { shell.running.end(PATIENCE).await }));
    for end in ends.collect::<Vec<_>>() {
        end.await.unwrap();
    }
    gone(&world).await;
}

/// Waits until nothing is left.
async fn gone(world: &World) {
    let began = Instant::now();
    while !world.left().is_empty() {
        assert!(began.elapsed() < PATIENCE, "{:#?}", world.left());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
