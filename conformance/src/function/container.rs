//! A function in an image: Docker's command line starts it, bound as an agent binds its containers.
//!
//! The folder of its listener is at the same place within the container as outside, so that a case sees
//! no difference. Signals go to the container, for the program that was started here only stands for it.

use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Signal;

use super::Launch;
use super::process::Stdio as For;

/// What a platform gives a container, and takes from it.
const BOUNDS: [&str; 15] = [
    "--init",
    "--network=none",
    "--read-only",
    "--tmpfs=/tmp",
    "--user=1000:1000",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--memory=128m",
    "--pids-limit=50",
    "--ulimit=nofile=350:350",
    "--ulimit=core=0:0",
    "--log-driver=none",
    "--stop-timeout=1",
    "--pull=missing",
    "--rm",
];

/// One container of the engine, by its name. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Container(String);

impl Container {
    /// A name for one that is to be, and the words that start it.
    pub(super) fn of(launch: &Launch<'_>, image: &str) -> (Self, Vec<OsString>) {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("conformance-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut words: Vec<OsString> = vec!["docker".into(), "run".into(), format!("--name={name}").into()];
        words.extend(BOUNDS.map(OsString::from));
        if launch.stdio == For::Wire {
            words.push("--interactive".into());
        }
        if let Some(folder) = &launch.folder {
            words.push(format!("--volume={0}:{0}", folder.display()).into());
        }
        words.extend(launch.environment.iter().map(|(name, value)| format!("--env={name}={value}").into()));
        words.push(image.into());
        (Self(name), words)
    }

    /// Sends a signal to it; stopped it is as a platform freezes it, with all that runs in it.
    pub(super) fn signal(&self, signal: Signal) {
        match signal {
            Signal::STOP => self.docker(&["pause"]),
            Signal::CONT => self.docker(&["unpause"]),
            other => self.docker(&["kill", &format!("--signal={}", other.as_raw())]),
        }
    }

    fn docker(&self, words: &[&str]) {
        let mut docker = Command::new("docker");
        let command = docker.args(words).arg(&self.0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // It may have ended, which is no news here.
        let _ = command.status();
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.docker(&["rm", "--force"]);
    }
}
