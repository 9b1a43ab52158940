//! What is done from time to time, as long as calls come, and hardly ever while none do.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{sleep, timeout};

use crate::store;
use crate::store::calls::Keeping;

use super::journal::Work;
use super::logs::LAST_LINES_WAIT;
use super::record::{before, first_id, millis};
use super::runner::Runner;
use super::{Config, LEASE};

/// How often a node says that it lives: it may fail to twice before its calls are another's.
const RENEW_EVERY: Duration = LEASE.checked_div(4).expect("four is not zero");
/// How often calls that were kept long enough are forgotten, and functions that are gone for long, and the rest of
/// the calls are counted,
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// and how often while this node writes nothing about calls, unless they are to be forgotten sooner.
const SWEEP_IDLE: Duration = Duration::from_secs(60);

/// Does it all until it is dropped.
pub(super) async fn keep(runner: Arc<Runner>, config: Config) {
    tokio::join!(renew(&runner), write_logs(&runner), sweep(&runner, &config));
}

async fn renew(runner: &Runner) {
    loop {
        // Who runs nothing has nothing to keep.
        if runner.held.is_empty() {
            runner.stirs.begun.notified().await;
        }
        sleep(RENEW_EVERY).await;
        if let Err(e) = renew_once(runner).await {
            tracing::warn!("the store was not told that this node's calls still run: {:#}", anyhow::Error::from(e));
        }
    }
}

pub(super) async fn renew_once(runner: &Runner) -> Result<(), store::Error> {
    let held = runner.held.ids();
    if held.is_empty() {
        return Ok(());
    }
    runner.store.renew_calls(&runner.name, &held, millis(SystemTime::now() + LEASE)).await
}

async fn write_logs(runner: &Runner) {
    loop {
        runner.logs.some_ended().await;
        // Their last lines may still be on their way.
        sleep(LAST_LINES_WAIT).await;
        flush_logs(runner, SystemTime::now()).await;
    }
}

/// Has the logs written of calls that ended long enough before `now`.
pub(super) async fn flush_logs(runner: &Runner, now: SystemTime) {
    for (call, text) in runner.logs.take_ended(now) {
        let _ = runner.journal.send(Work::Log { call, text }).await;
    }
}

async fn sweep(runner: &Runner, config: &Config) {
    let idle = SWEEP_IDLE.min(config.kept_for.min(config.dead_kept_for) / 2);
    loop {
        if let Err(e) = sweep_once(runner, config).await {
            tracing::debug!("what is old stays for now: {:#}", anyhow::Error::from(e));
        }
        sleep(SWEEP_EVERY).await;
        let _ = timeout(idle, runner.stirs.written.notified()).await;
    }
}

async fn sweep_once(runner: &Runner, config: &Config) -> Result<(), store::Error> {
    let open = runner.store.open_calls().await?;
    runner.room.set(open);
    runner.tally.open(open.calls);
    let now = SystemTime::now();
    let keeping = Keeping {
        from: first_id(before(now, config.kept_for)),
        dead_from: first_id(before(now, config.dead_kept_for)),
        count_max: config.kept_max.max(1),
        dead_bytes_max: config.open_bytes_max,
    };
    runner.store.forget_calls(&keeping).await?;
    runner.store.forget_changes().await
}
