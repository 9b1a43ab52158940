//! One event for each session, when it is over: who asked, what ran, how it went.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Instant;

use hotfn_socket::Peer;

use crate::packet::{Class, Ended, How, Request};
use crate::rules::{Permit, Rule};

/// What is known of a session so far.
#[derive(Debug)]
pub(super) struct Audit {
    peer: Peer,
    function: Option<String>,
    labels: Vec<String>,
    began: Instant,
    program: Option<PathBuf>,
    args_count: usize,
    /// Only where a rule says that they may be shown.
    args: Option<Vec<OsString>>,
    rule: Option<usize>,
    cwd: Option<PathBuf>,
}

impl Audit {
    pub(super) fn new(peer: Peer, function: Option<String>) -> Self {
        let began = Instant::now();
        Self {
            peer,
            function,
            labels: Vec::new(),
            began,
            program: None,
            args_count: 0,
            args: None,
            rule: None,
            cwd: None,
        }
    }

    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(super) fn asked(&mut self, request: &Request) {
        self.program = Some(PathBuf::from(&request.program));
        self.args_count = request.args.len();
        self.cwd.clone_from(&request.cwd);
        self.labels = request.labels.iter().map(|(name, value)| format!("{name:?}={value:?}")).collect();
    }

    pub(super) fn permitted(&mut self, permit: &Permit, rule: &Rule) {
        self.rule = Some(permit.rule);
        self.program = Some(permit.program.clone());
        self.cwd.clone_from(&permit.cwd);
        self.args_count = permit.args.len();
        self.args = rule.log_args.then(|| permit.args.clone());
    }

    /// It was not run.
    pub(super) fn refused(&self, class: Class, reason: &dyn fmt::Display) {
        tracing::warn!(
            peer = %self.peer, function = self.function, labels = ?self.labels, rule = self.rule,
            program = ?self.program, args_count = self.args_count, args = ?self.args, %class, "exec refused: {reason}"
        );
    }

    /// It has run.
    pub(super) fn ended(&self, ended: &Ended, signals_dropped: u64) {
        let how = match ended.how {
            How::Code => "code",
            How::Signal => "signal",
            How::TimedOut => "timed out",
            How::Killed => "server's end",
        };
        tracing::info!(
            peer = %self.peer, function = self.function, labels = ?self.labels, rule = self.rule,
            program = ?self.program, args_count = self.args_count, args = ?self.args, cwd = ?self.cwd, how, value = ended.value,
            wall_ms = millis(self.began.elapsed()), user_ms = millis(ended.usage.user),
            system_ms = millis(ended.usage.system), signals_dropped, "exec ended"
        );
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
