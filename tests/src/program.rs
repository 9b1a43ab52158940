//! Programs that run to their end.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::binaries;

/// How long a program may run. One that builds a function for the first time takes the longest.
const BOUND: Duration = Duration::from_secs(240);
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it complained of.
    pub stderr: String,
}

impl Ended {
    /// What it printed, as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The same, if it ended well.
    ///
    /// # Panics
    /// If it did not.
    #[must_use]
    pub fn well(self) -> Self {
        assert_eq!(self.code, Some(0), "stdout: {}\nstderr: {}", self.text(), self.stderr);
        self
    }
}

/// Runs `hotfn` with `args`.
#[must_use]
pub fn hotfn(args: &[&str]) -> Ended {
    run(Command::new(binaries::program("hotfn")).args(args), b"")
}

/// Runs `command` with `input` on its standard input.
///
/// # Panics
/// When it cannot start, or runs for longer than four minutes.
pub fn run(command: &mut Command, input: &[u8]) -> Ended {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    let (mut stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let input = input.to_owned();
    let writer = thread::spawn(move || {
        // A program may end without having read everything.
        let _ = stdin.take().expect("its input is a pipe").write_all(&input);
    });
    let stdout = gather(stdout.expect("its output is a pipe"));
    let stderr = gather(stderr.expect("its errors are a pipe"));
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break status;
        }
        if began.elapsed() > BOUND {
            let _ = child.kill();
            panic!("{command:?} still runs after {BOUND:?}");
        }
        thread::sleep(LOOK_EVERY);
    };
    writer.join().expect("the writer does not panic");
    let all = |reader: thread::JoinHandle<Vec<u8>>| reader.join().expect("the reader does not panic");
    Ended { code: status.code(), stdout: all(stdout), stderr: String::from_utf8_lossy(&all(stderr)).into_owned() }
}

fn gather(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        let _ = from.read_to_end(&mut all);
        all
    })
}
