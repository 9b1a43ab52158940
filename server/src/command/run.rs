//! Running one command: from a plan to an outcome, in one task that nobody can drop.
//!
//! The caller may leave; the command goes on. Its pipes are always drained, whatever is kept of what
//! comes. It has ended when the program that was started has, not when its pipes close: something in
//! the background may hold them for as long as it likes. What is in the pipes by then still belongs
//! to the command; later bytes are read and dropped, so that what it left behind is not killed by
//! writing.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use hotfn_exec::pen::{Mark, Pen};
use hotfn_exec::{Child, GONE_PATIENCE, Signal, Spawned};
use hotfn_protocols::CallId;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use tokio::sync::Semaphore;

use super::capture::Capture;
use super::config::Strays;
use super::job::{Job, Outcome, Progress, Stage};

/// By what everything that a command started is found again.
pub(super) const MARK: Mark = Mark { family: "hotfn-command", label: "HOTFN_JOB" };
/// How long output that is still in the pipes is read when a command has ended.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Bytes read at a time, as many as a pipe holds.
const READ_BYTES: usize = 64 << 10;
/// Pipes of commands that have ended which are drained for what they left behind. Beyond it the
/// next are closed, and who writes to one is told so by the system.
const DRAINED_MAX: usize = 256;

/// How a command ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    /// How long it may run.
    pub(super) run_max: Option<Duration>,
    /// How long it has between TERM and KILL.
    pub(super) grace: Duration,
    /// What becomes of what it leaves behind.
    pub(super) strays: Strays,
}

/// Follows a command that was started to its end, and keeps `job` up to date. All that comes of it is
/// in `pen`.
pub(super) async fn follow(spawned: Spawned, pen: Pen, stdin: Vec<u8>, job: &Arc<Job>, ending: Ending) -> Outcome {
    let Spawned { child, stdin: input, stdout, stderr } = spawned;
    let pen = Arc::new(pen);
    feed(input, stdin);
    let mut stdout = Stream::new(stdout, |progress| &mut progress.stdout);
    let mut stderr = Stream::new(stderr, |progress| &mut progress.stderr);
    let timed_out = {
        let mut ended = pin!(end(&child, &pen, job, ending));
        loop {
            tokio::select! {
                biased;
                timed_out = &mut ended => break timed_out,
                () = stdout.read(job) => {}
                () = stderr.read(job) => {}
            }
        }
    };
    let last_words = Instant::now() + LAST_WORDS;
    stdout.rest(job, last_words);
    stderr.rest(job, last_words);
    drain(stdout.pipe);
    drain(stderr.pipe);
    let exit = child.ended().expect("it has ended");
    let outcome = Outcome { exit, timed_out, took: job.began.elapsed() };
    job.update(|progress| progress.stage = Stage::Ended(outcome));
    if ending.strays == Strays::Kill && pen.may_hold() {
        clear(pen, job.id).await;
    }
    outcome
}

/// Waits for its end, and brings it about when time is up or somebody asks. Says whether time was
/// up.
async fn end(child: &Child, pen: &Arc<Pen>, job: &Job, ending: Ending) -> bool {
    let time_is_up = async {
        match ending.run_max {
            Some(max) => tokio::time::sleep(max).await,
            None => std::future::pending().await,
        }
    };
    let timed_out = tokio::select! {
        _ = child.exit() => return false,
        () = time_is_up => true,
        () = job.stop.cancelled() => false,
    };
    child.signal_group(Signal::TERM);
    child.signal_group(Signal::CONT);
    if tokio::time::timeout(ending.grace, child.exit()).await.is_err() {
        child.signal_group(Signal::KILL);
    }
    clear(pen.clone(), job.id).await;
    child.exit().await;
    timed_out
}

/// Kills all that is left of a command, in its group or not. That blocks for as long as it takes.
async fn clear(pen: Arc<Pen>, id: CallId) {
    if let Ok(Err(still_there)) = tokio::task::spawn_blocking(move || pen.end(GONE_PATIENCE)).await {
        tracing::warn!(job = %id, "{still_there}");
    }
}

/// Writes what the command is to read, at its own pace.
fn feed(input: Option<OwnedFd>, bytes: Vec<u8>) {
    let Some(Ok(mut input)) = input.map(pipe::Sender::from_owned_fd) else { return };
    tokio::spawn(async move {
        // That it reads no further is its own affair.
        let _ = input.write_all(&bytes).await;
    });
}

/// One of its outputs.
struct Stream {
    /// `None` when it has ended.
    pipe: Option<pipe::Receiver>,
    capture: fn(&mut Progress) -> &mut Capture,
    buffer: Box<[u8]>,
}

impl Stream {
    fn new(fd: Option<OwnedFd>, capture: fn(&mut Progress) -> &mut Capture) -> Self {
        let pipe = fd.and_then(|fd| pipe::Receiver::from_owned_fd(fd).ok());
        Self { pipe, capture, buffer: Box::new([]) }
    }

    /// Takes up the next bytes; waits forever once there are no more. Cancel safe.
    async fn read(&mut self, job: &Job) {
        let Some(pipe) = &self.pipe else { return std::future::pending().await };
        if pipe.readable().await.is_err() {
            self.pipe = None;
        } else {
            self.take(job, |pipe, buffer| pipe.try_read(buffer));
        }
    }

    /// Takes up what is in the pipe now. Asks the kernel and not the runtime, which may not have heard
    /// of it yet.
    fn rest(&mut self, job: &Job, until: Instant) {
        while self.take(job, |pipe, buffer| Ok(rustix::io::read(pipe, buffer)?)) && Instant::now() < until {}
    }

    /// Takes up some of what is in the pipe; false if nothing is.
    fn take(&mut self, job: &Job, read: impl FnOnce(&pipe::Receiver, &mut [u8]) -> io::Result<usize>) -> bool {
        let Some(pipe) = &self.pipe else { return false };
        if self.buffer.is_empty() {
            self.buffer = vec![0; READ_BYTES].into();
        }
        match read(pipe, &mut self.buffer) {
            Ok(0) => self.pipe = None,
            Ok(read) => {
                job.update(|progress| (self.capture)(progress).push(&self.buffer[..read]));
                return true;
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.pipe = None,
        }
        false
    }
}

/// Reads on for whoever still holds the other end.
fn drain(pipe: Option<pipe::Receiver>) {
    static ROOM: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(DRAINED_MAX)));
    let Some(mut pipe) = pipe else { return };
    let Ok(room) = ROOM.clone().try_acquire_owned() else { return };
    tokio::spawn(async move {
        let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
        drop(room);
    });
}
