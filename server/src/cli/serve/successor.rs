//! The process that is to take over: this program once more, as it is on the disk now.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::manager::WATCHDOG_PID;

/// What was handed over to this process by name is not the successor's to take from 3 on.
const HANDED_OVER: [&str; 3] = ["LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID"];

/// The flag by which one is told whom to take over from.
const FLAG: &str = "--take-over";

/// One that may be on its way.
pub(super) struct Successor {
    /// Found out when we began: an upgrade puts another file there.
    program: PathBuf,
    /// Where we can be taken over.
    place: PathBuf,
    child: Option<Child>,
}

impl Successor {
    /// None yet.
    ///
    /// # Errors
    /// When the system does not tell which program this is.
    pub(super) fn new(place: PathBuf) -> io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?, place, child: None })
    }

    /// Starts one, with the arguments that we have, unless one is on its way.
    pub(super) fn start(&mut self) {
        if let Some(pid) = self.child.as_ref().and_then(Child::id) {
            tracing::warn!(pid, "a successor is on its way already");
            return;
        }
        let mut flag = OsString::from(format!("{FLAG}="));
        flag.push(&self.place);
        let mut command = Command::new(&self.program);
        command.args(arguments(std::env::args_os().skip(1))).arg(flag).stdin(Stdio::null()).env_remove(WATCHDOG_PID);
        for name in HANDED_OVER {
            command.env_remove(name);
        }
        match command.spawn() {
            Ok(child) => self.child = Some(child),
            Err(e) => tracing::error!("cannot start {} as a successor: {e}", self.program.display()),
        }
    }

    /// Resolves when one has ended that was on its way. Cancel safe.
    pub(super) async fn gone(&mut self) {
        let Some(child) = &mut self.child else { return std::future::pending().await };
        match child.wait().await {
            Ok(status) => tracing::error!(%status, "the successor ended, this process goes on"),
            Err(e) => tracing::error!("the successor is out of sight: {e}"),
        }
        self.child = None;
    }
}

/// Ours, without what we were told about our own predecessor.
fn arguments(ours: impl Iterator<Item = OsString>) -> Vec<OsString> {
    ours.filter(|argument| !argument.as_encoded_bytes().starts_with(FLAG.as_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_of_a_successor_is_told_of_the_last_one_only() {
        let ours = ["serve", "--take-over=/run/old.sock", "--config", "hotfn.toml", "--take-over"];
        assert_eq!(arguments(ours.map(OsString::from).into_iter()), ["serve", "--config", "hotfn.toml"]);
    }
}
