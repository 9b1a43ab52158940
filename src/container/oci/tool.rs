//! A program that is run to its end for what it says: a runtime's command, or a network plug-in.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use hotfn_exec::{Exit, Job, Stdio, Supervisor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;

use crate::container::DriverError;

/// How long such a program may take. They take milliseconds; a host that is out of breath takes longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is heard of each of its streams; the rest is not.
const HEARD_BYTES_MAX: u64 = 64 << 10;

/// What it said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) exit: Exit,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Said {
    /// Did it do what it was asked for?
    pub(super) fn is_well(&self) -> bool {
        self.exit == Exit::Code(0)
    }

    /// Its complaint, on one line.
    pub(super) fn complaint(&self) -> String {
        let words = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        match words.trim() {
            "" => self.exit.to_string(),
            words => format!("{} ({})", words.replace('\n', "; "), self.exit),
        }
    }
}

/// Runs `job` to its end, with `stdin` to read. `what` is what it is to do, for errors.
///
/// # Errors
/// When it cannot be started, or takes longer than 30 s.
pub(super) async fn run(
    supervisor: &Supervisor,
    mut job: Job,
    stdin: Option<&[u8]>,
    what: &str,
) -> Result<Said, DriverError> {
    job.stdin = if stdin.is_some() { Stdio::Pipe } else { Stdio::Null };
    job.stdout = Stdio::Pipe;
    job.stderr = Stdio::Pipe;
    let failed = |why: String| DriverError::Engine { what: what.to_owned(), why };
    let spawned = supervisor.spawn(job).await.map_err(|e| failed(e.to_string()))?;
    let said = async {
        let feed = async {
            if let (Some(bytes), Some(pipe)) = (stdin, spawned.stdin) {
                // One that does not read it all has its reasons, and will give them.
                let _ = pipe::Sender::from_owned_fd(pipe)?.write_all(bytes).await;
            }
            Ok(())
        };
        let ((), stdout, stderr) = tokio::try_join!(feed, hear(spawned.stdout), hear(spawned.stderr))?;
        Ok::<_, io::Error>(Said { exit: spawned.child.exit().await, stdout, stderr })
    };
    match tokio::time::timeout(PATIENCE, said).await {
        Ok(said) => said.map_err(|e| failed(e.to_string())),
        Err(_) => Err(failed(format!("no answer within {PATIENCE:?}"))),
    }
}

async fn hear(pipe: Option<OwnedFd>) -> io::Result<String> {
    let mut words = Vec::new();
    if let Some(pipe) = pipe {
        pipe::Receiver::from_owned_fd(pipe)?.take(HEARD_BYTES_MAX).read_to_end(&mut words).await?;
    }
    Ok(String::from_utf8_lossy(&words).into_owned())
}
