//! The standard streams of what was just started: the format's, or lines of log.

use std::io;
use std::time::Duration;

use hotfn_exec::Spawned;
use hotfn_protocols::{Ends, Exit, Exiting};
use tokio::task::JoinHandle;

use super::{Doing, LogLine, Stdio, lines, pipes};

/// How long the last lines of what has ended may take to be read: it is over when the pipe is empty,
/// unless somebody else still holds its other end.
const LAST_LINES_PATIENCE: Duration = Duration::from_secs(1);

/// The streams that are read for the log. One task each, which ends with its stream.
#[derive(Debug, Default)]
pub(super) struct Logs(Vec<JoinHandle<()>>);

/// Takes the pipes of `spawned`: standard error is log; if `are_ends`, the others are a format's, with
/// `exit` for its end, else standard output is log too.
pub(super) fn connect(
    spawned: &mut Spawned,
    are_ends: bool,
    exit: Doing<'static, Exit>,
    log: LogLine,
) -> io::Result<(Option<Ends>, Logs)> {
    let mut logs = Vec::with_capacity(2);
    if let Some(stderr) = spawned.stderr.take() {
        logs.push(lines::follow(stderr, Stdio::Err, log.clone())?);
    }
    let ends = match (are_ends, spawned.stdin.take(), spawned.stdout.take()) {
        (true, Some(stdin), Some(stdout)) => {
            Some(Ends::Pipes { stdin: pipes::writer(stdin)?, stdout: pipes::reader(stdout)?, exit: Exiting(exit) })
        }
        (_, _, Some(stdout)) => {
            logs.push(lines::follow(stdout, Stdio::Out, log)?);
            None
        }
        _ => None,
    };
    Ok((ends, Logs(logs)))
}

impl Logs {
    /// Waits until all that was written is read, a second at most.
    pub(super) async fn last_lines(self) {
        let read = async {
            for log in self.0 {
                // One that panicked has lost lines, which is the log's loss alone.
                let _ = log.await;
            }
        };
        let _ = tokio::time::timeout(LAST_LINES_PATIENCE, read).await;
    }
}
