//! What is done from time to time, whether or not calls come.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::store;
use crate::store::calls::Keeping;

use super::journal::Work;
use super::record::{before, first_id, millis};
use super::runner::Runner;
use super::{Config, LEASE};

/// How often a node says that it lives: it may fail to twice before its calls are another's.
const RENEW_EVERY: Duration = LEASE.checked_div(4).expect("four is not zero");
/// How often logs of calls that ended are written.
const LOGS_EVERY: Duration = Duration::from_millis(500);
/// How often calls that were kept long enough are forgotten, and the rest are counted.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Does it all until it is dropped.
pub(super) async fn keep(runner: Arc<Runner>, config: Config) {
    tokio::join!(renew(&runner), write_logs(&runner), sweep(&runner, &config));
}

async fn renew(runner: &Runner) {
    let mut ticks = ticks(RENEW_EVERY);
    loop {
        ticks.tick().await;
        if let Err(e) = renew_once(runner).await {
            tracing::warn!("the store was not told that this node's calls still run: {:#}", anyhow::Error::from(e));
        }
    }
}

pub(super) async fn renew_once(runner: &Runner) -> Result<(), store::Error> {
    let held = runner.held.ids();
    // Who runs nothing has nothing to keep.
    if held.is_empty() {
        return Ok(());
    }
    runner.store.renew_calls(&runner.name, &held, millis(SystemTime::now() + LEASE)).await
}

async fn write_logs(runner: &Runner) {
    let mut ticks = ticks(LOGS_EVERY);
    loop {
        ticks.tick().await;
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
    let mut ticks = ticks(SWEEP_EVERY);
    loop {
        if let Err(e) = sweep_once(runner, config).await {
            tracing::debug!("old calls stay for now: {:#}", anyhow::Error::from(e));
        }
        ticks.tick().await;
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
    runner.store.forget_calls(&keeping).await
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
