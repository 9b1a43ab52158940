//! The container engine that tests speak to.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::step::works;
use crate::tree;

/// How long an engine may take until it answers.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Starts an engine, unless one answers. It goes on when we have ended, as if the system had started it:
/// the next run finds it.
pub(crate) fn start() -> Result<()> {
    if answers() {
        return Ok(());
    }
    if !works(Command::new("sh").args(["-c", "test $(id -u) = 0"])) {
        bail!(
            "no container engine answers, and dockerd is root's to start; start it, or say in DOCKER_HOST where one is"
        );
    }
    let path = tree::target().join("dockerd.log");
    let log = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("    dockerd, which writes to {}", path.display());
    let mut engine = Command::new("dockerd")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // What ends us is not meant for it.
        .process_group(0)
        .spawn()
        .context("cannot start dockerd")?;
    let began = Instant::now();
    while !answers() {
        if let Some(status) = engine.try_wait()? {
            bail!("dockerd ended with {status}; why stands in {}", path.display());
        }
        if began.elapsed() > START_PATIENCE {
            bail!("dockerd does not answer within {START_PATIENCE:?}; why may stand in {}", path.display());
        }
        thread::sleep(ASK_EVERY);
    }
    Ok(())
}

fn answers() -> bool {
    works(Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]))
}
