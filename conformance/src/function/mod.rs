//! A function under test, as an agent would run it: a directory of its own, a watch that is armed
//! before it starts, its environment, its output.

mod container;
mod home;
mod live;
pub(crate) mod orders;
mod output;
mod process;
mod watch;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::check::{Run, Stop, holds};
use crate::transcript::Transcript;
use crate::wire::{Answer, Connection, Request};

pub(crate) use self::home::Home;
pub use self::live::interrupt;
pub(crate) use self::output::Output;
pub(crate) use self::process::{Launch, Process, Stdio};
pub(crate) use self::watch::readable;

/// A function that listens on a socket, or is about to. Dropping it ends its processes.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) process: Process,
    pub(crate) home: Home,
    transcript: Transcript,
}

impl Function {
    /// Starts one in `home` and goes on at once.
    pub(crate) fn launch(launch: &Launch<'_>, home: Home, transcript: &Transcript) -> Run<Self> {
        let process = Process::start(launch, transcript)?;
        Ok(Self { process, home, transcript: transcript.clone() })
    }

    /// Waits until the listener's name is there, for `bound` at most.
    pub(crate) fn listens_within(&mut self, bound: Duration) -> Run {
        let began = Instant::now();
        loop {
            if self.listener().symlink_metadata().is_ok() {
                self.transcript.note(format!("{} appeared", self.listener().display()));
                return Ok(());
            }
            if let Some(status) = self.process.ended() {
                if self.process.is_the_engines(status) {
                    return Err(Stop::untold(format!("Docker cannot start it: {:?}", self.process.stderr.tail())));
                }
                return Err(Stop::broken(format!(
                    "the process ended with {status} before its listener appeared; on standard error it said {:?}",
                    self.process.stderr.tail()
                )));
            }
            holds!(
                began.elapsed() < bound,
                "no listener at FN_LISTENER within {bound:?}; create the socket there, or a relative link to it; on \
                 standard error the function said {:?}",
                self.process.stderr.tail()
            );
            self.home.wait_for_a_name(bound.saturating_sub(began.elapsed()), self.process.pidfd())?;
        }
    }

    /// Where it was told to listen.
    pub(crate) fn listener(&self) -> &Path {
        self.home.listener()
    }

    /// A new connection to it.
    pub(crate) fn connect(&self) -> Run<Connection> {
        Connection::open(self.listener(), &self.transcript)
    }

    /// One call on a connection of its own.
    pub(crate) fn call(&self, request: &Request) -> Run<Answer> {
        self.connect()?.call(request)
    }

    /// It lives, and serves.
    pub(crate) fn still_serves(&mut self, after: &str) -> Run {
        if let Some(status) = self.process.ended() {
            return Err(Stop::broken(format!(
                "the process ended with {status} after {after}; it must live on; on standard error it said {:?}",
                self.process.stderr.tail()
            )));
        }
        let answer = self.call(&Request::echo("still there"));
        match answer {
            Ok(answer) if answer.status == 200 && answer.body == b"still there" => Ok(()),
            Ok(answer) => {
                Err(Stop::broken(format!("after {after} the next call was answered {}, not its echo", answer.brief())))
            }
            Err(Stop::Broken(why)) => Err(Stop::broken(format!("after {after} the next call failed: {why}"))),
            Err(untold) => Err(untold),
        }
    }
}

/// The environment an agent gives, but for what says where to listen.
pub(crate) fn environment(format: &str) -> BTreeMap<String, String> {
    let given = [
        ("FN_FORMAT", format),
        ("FN_APP_ID", "01CONFORMANCEAPP0000000000"),
        ("FN_FN_ID", "01CONFORMANCEFN00000000000"),
        ("FN_APP_NAME", "conformance"),
        ("FN_FN_NAME", "tested"),
        ("FN_MEMORY", "128"),
        ("FN_TYPE", "sync"),
        ("CONFORMANCE_GREETING", "good day"),
    ];
    given.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
