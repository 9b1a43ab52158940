//! The directories of containers on the agent's host: there as long as the container, and no longer.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use super::own::Own;
use super::stage::Stage;
use crate::bounds;
use crate::case::{Entry, Needs};
use crate::check::{Run, Stop, holds};

/// How often they are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        76,
        "The folder of a container that ended",
        "The folder that agent and container share is gone when the container has ended, however it did.",
        |stage: &Stage| {
            let (own, stage) = stage.own(&[])?;
            let function = stage.deploy_as(&json!({ "idle_timeout": 1 }))?;
            function.container()?;
            gone("its idle timeout", &there(&own)?)?;
            function.container()?;
            let there = there(&own)?;
            // A process that ends by itself, and one that is ended for what it answered.
            let _ = function.steps(&["exit 3"])?;
            gone("its process ended", &there)?;
            function.container()?;
            let there = self::there(&own)?;
            let _ = function.steps(&["send no HTTP%0d%0a%0d%0a"])?;
            gone("a broken answer", &there)
        },
    )
    .needs(Needs::Own),
    Entry::better(
        77,
        "Folders that a crashed agent left",
        "What an agent that was killed left behind is removed when the next one starts.",
        |stage: &Stage| {
            let (own, inner) = stage.own(&[])?;
            let function = inner.start("link")?;
            function.container()?;
            let left = there(&own)?;
            let folder = own.crash();
            holds!(left.iter().all(|dir| dir.exists()), "an agent that was killed could still tidy up");
            let next = Own::start_in(folder, stage.command()?, &[], &stage.transcript)?;
            stage.before(&next).api("GET", "/version", None)?.is(200, "the next agent")?;
            gone("its agent was killed and another started", &left)
        },
    )
    .needs(Needs::Own),
];

/// The folders of the agent's containers, of which there must be some.
fn there(own: &Own) -> Run<Vec<PathBuf>> {
    let there = own.listeners();
    holds!(!there.is_empty(), "with a container at work no folder in FN_IOFS_PATH has a socket in it");
    Ok(there)
}

/// Waits until none of them is there.
fn gone(after: &str, folders: &[PathBuf]) -> Run {
    let until = Instant::now() + bounds::END;
    loop {
        let Some(left) = folders.iter().find(|dir| dir.exists()) else {
            return Ok(());
        };
        if Instant::now() > until {
            let name = left.file_name().unwrap_or_default();
            return Err(Stop::broken(format!(
                "{:?} after {after} a container's folder {} is still there; remove it with the container",
                bounds::END,
                name.display()
            )));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
