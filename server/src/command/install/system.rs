//! What an installation asks of the machine: a user, an owner, the service manager.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use hotfn_exec::rules::{Machine, World as _};

use super::layout::Layout;
use super::unit;

/// The machine, or nothing of it where an installation works below a folder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum System {
    /// Below a folder.
    Absent,
    /// This machine.
    Here {
        /// A service manager runs.
        is_managed: bool,
    },
}

impl System {
    pub(super) fn of(prefix: &Path) -> Result<Self> {
        if prefix != Path::new("/") {
            return Ok(Self::Absent);
        }
        if !rustix::process::geteuid().is_root() {
            bail!("this takes root; try `sudo hotfn command-server …`, or --prefix for a folder");
        }
        let is_managed = Path::new("/run/systemd/system").is_dir();
        if !is_managed {
            println!("systemd does not run here: files are put in place, and nothing is started");
        }
        Ok(Self::Here { is_managed })
    }

    /// Makes the user if there is none; below a folder, says how.
    pub(super) fn add_user(self, user: &str, layout: &Layout) -> Result<()> {
        if self == Self::Absent {
            let line = format!("u {user} - \"Runs commands for functions\" {}\n", unit::STATE);
            layout.put(&layout.sysusers(), line.as_bytes(), 0o644)?;
            return Ok(());
        }
        if Machine.user(user).is_some() {
            return Ok(());
        }
        let home = ["--system", "--user-group", "--no-create-home", "--home-dir", unit::STATE];
        run(Command::new("useradd").args(home).args(["--shell", "/usr/sbin/nologin", user]))
    }

    /// Makes a file the user's group's to read, and root's.
    pub(super) fn give(self, path: &Path, user: &str) -> Result<()> {
        if self == Self::Absent {
            return Ok(());
        }
        let gid = Machine.user(user).with_context(|| format!("there is no user {user}"))?.gid;
        let owned = std::os::unix::fs::chown(path, Some(0), Some(gid));
        owned.with_context(|| format!("cannot give {} to the group of {user}", path.display()))
    }

    /// Has the service run anew, now and whenever the machine starts.
    pub(super) fn restart(self, unit: &str) -> Result<()> {
        self.forget()?;
        self.manage(&["enable", "--quiet", unit])?;
        self.manage(&["restart", unit])
    }

    /// Has the service read its config again, if it runs.
    pub(super) fn reload(self, unit: &str) -> Result<()> {
        self.manage(&["try-reload-or-restart", unit])
    }

    /// Ends the service. That there is none is as good.
    pub(super) fn stop(self, unit: &str) -> Result<()> {
        if let Err(e) = self.manage(&["disable", "--now", "--quiet", unit]) {
            println!("{e:#}; going on");
        }
        Ok(())
    }

    /// Has the manager look at its units again.
    pub(super) fn forget(self) -> Result<()> {
        self.manage(&["daemon-reload"])
    }

    fn manage(self, words: &[&str]) -> Result<()> {
        match self {
            Self::Here { is_managed: true } => run(Command::new("systemctl").args(words)),
            Self::Here { is_managed: false } | Self::Absent => Ok(()),
        }
    }
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot run {command:?}"))?;
    if status.success() { Ok(()) } else { bail!("{command:?} failed: {status}") }
}
