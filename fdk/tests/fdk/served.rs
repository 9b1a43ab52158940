//! A function at work, as a process.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tempfile::TempDir;

use crate::wire::{Answer, Wire};

/// How long anything may take that is bound to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A function that listens. Dropping it ends it.
pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) stdout: Lines,
    pub(crate) stderr: Lines,
    pub(crate) path: PathBuf,
    pub(crate) dir: Arc<TempDir>,
}

/// The function `fixture`, with nothing but `env` and what it needs to run.
pub(crate) fn command(fixture: &str, env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fdk-fixture"));
    command.env_clear().env("FIXTURE", fixture).envs(env.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Served {
    pub(crate) fn new(fixture: &str) -> Self {
        Self::with(fixture, &[])
    }

    pub(crate) fn with(fixture: &str, env: &[(&str, &str)]) -> Self {
        Self::within(Arc::new(tempfile::tempdir().unwrap()), "lsnr.sock", fixture, env)
    }

    /// Starts it and waits for the name to appear, which is all that a platform waits for.
    pub(crate) fn within(dir: Arc<TempDir>, name: &str, fixture: &str, env: &[(&str, &str)]) -> Self {
        let path = dir.path().join(name);
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
        inotify::add_watch(&watch, path.parent().unwrap(), inotify::WatchFlags::CREATE).unwrap();
        let mut command = command(fixture, env);
        command.env("FN_FORMAT", "http-stream").env("FN_LISTENER", format!("unix:{}", path.display()));
        let mut child = command.spawn().unwrap();
        let stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        'appeared: loop {
            wait_readable(&watch, "the listener's name");
            let mut events = inotify::Reader::new(&watch, &mut buffer);
            loop {
                let event = events.next().unwrap();
                if event.file_name().is_some_and(|file| file.to_bytes() == name.as_bytes()) {
                    break 'appeared;
                }
                if events.is_buffer_empty() {
                    break;
                }
            }
        }
        Self { child, stdout, stderr, path, dir }
    }

    pub(crate) fn connect(&self) -> Wire<UnixStream> {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Wire::new(stream)
    }

    /// A plain call on a connection of its own.
    pub(crate) fn call(&self, body: impl AsRef<[u8]>) -> Answer {
        self.call_with("", body)
    }

    /// The same with header lines.
    pub(crate) fn call_with(&self, headers: &str, body: impl AsRef<[u8]>) -> Answer {
        self.connect().call_with(headers, body)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(pid(&self.child), signal).unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a process has ended.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    if child.try_wait().unwrap().is_none() {
        wait_readable(pidfd_open(pid(child), PidfdFlags::empty()).unwrap(), "the process's end");
    }
    child.wait().unwrap()
}

/// Gives a process its whole input, and takes all it says: standard output and error.
pub(crate) fn run(mut command: Command, input: &[u8]) -> (ExitStatus, Vec<u8>, String) {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let stderr = Lines::of(child.stderr.take().unwrap());
    thread::scope(|scope| {
        // Whoever does not read it all is free to.
        scope.spawn(move || drop(stdin.write_all(input)));
        let mut output = Vec::new();
        stdout.read_to_end(&mut output).unwrap();
        let status = wait(&mut child);
        (status, output, stderr.all())
    })
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn wait_readable(fd: impl AsFd, what: &str) {
    let patience = Timespec::try_from(PATIENCE).unwrap();
    let ready = poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&patience)).unwrap();
    assert!(ready > 0, "{what} did not come within {PATIENCE:?}");
}

/// What a process prints, as it comes.
#[derive(Clone)]
pub(crate) struct Lines(Arc<(Mutex<Printed>, Condvar)>);

#[derive(Default)]
struct Printed {
    text: String,
    ended: bool,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let lines = Self(Arc::default());
        let shared = lines.clone();
        thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            loop {
                // Bytes as they come, not only whole lines.
                let piece =
                    stream.fill_buf().map(|piece| String::from_utf8_lossy(piece).into_owned()).unwrap_or_default();
                let length = stream.buffer().len();
                stream.consume(length);
                let (printed, changed) = &*shared.0;
                let mut printed = printed.lock().unwrap();
                printed.ended = length == 0;
                printed.text.push_str(&piece);
                changed.notify_all();
                if printed.ended {
                    return;
                }
            }
        });
        lines
    }

    /// Waits until `text` was printed.
    pub(crate) fn wait_for(&self, text: &str) {
        let printed = self.wait(|printed| printed.text.contains(text) || printed.ended);
        assert!(printed.contains(text), "{text:?} was not printed, but {printed:?}");
    }

    /// All of it, once the process has ended.
    pub(crate) fn all(&self) -> String {
        self.wait(|printed| printed.ended)
    }

    /// What there is by now.
    pub(crate) fn now(&self) -> String {
        self.0.0.lock().unwrap().text.clone()
    }

    fn wait(&self, enough: impl Fn(&Printed) -> bool) -> String {
        let (printed, changed) = &*self.0;
        let begun = Instant::now();
        let printed =
            changed.wait_timeout_while(printed.lock().unwrap(), PATIENCE, |printed| !enough(printed)).unwrap().0;
        assert!(begun.elapsed() < PATIENCE, "waited in vain, printed was {:?}", printed.text);
        printed.text.clone()
    }
}

/// The names in a directory.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.collect();
    names.sort();
    names
}
