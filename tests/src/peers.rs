//! What others wrote, in the languages they wrote it in.
//!
//! `cargo xtask test` installs it below `target/peers`. Where it is missing a story is skipped.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{binaries, skipped};

/// A folder with the installed peer `name`; skips aloud and gives `None` if it is not there.
fn installed(name: &str) -> Option<PathBuf> {
    let home = binaries::target().join("peers").join(name);
    if home.join(".installed").is_file() {
        return Some(home);
    }
    skipped(&format!("the function kits for {name} are not in {}", home.display()));
    None
}

/// Python with the function kits of PyPI.
#[derive(Debug)]
pub struct Python(PathBuf);

impl Python {
    /// Finds it, or skips aloud.
    #[must_use]
    pub fn find() -> Option<Self> {
        installed("python").map(Self)
    }

    /// An image that serves `file` with the `fdk` of today, whose entry point is `handler`.
    #[must_use]
    pub fn image(&self, file: &str) -> String {
        let fdk = self.0.join("venv/bin/fdk");
        format!("process:{} {} handler", fdk.display(), binaries::function(file).display())
    }

    /// The command that serves `handler` of `file` with the `fdk` of today.
    #[must_use]
    pub fn command(&self, file: &Path) -> Command {
        let mut command = Command::new(self.0.join("venv/bin/fdk"));
        command.arg(file).arg("handler");
        command
    }

    /// An image that runs `file`, a program of its own that imports an `fdk` of 2018.
    #[must_use]
    pub fn old_image(&self, file: &str) -> String {
        let python = self.0.join("venv/bin/python");
        format!("process:{} {}", python.display(), binaries::function(file).display())
    }

    /// What asks an API everything its description allows, and more.
    #[must_use]
    pub fn schemathesis(&self) -> Command {
        Command::new(self.0.join("venv/bin/schemathesis"))
    }

    /// What `PYTHONPATH` has to be for such a program to import release `version`.
    #[must_use]
    pub fn old_path(&self, version: &str) -> String {
        self.0.join(format!("fdk-{version}")).display().to_string()
    }
}

/// Node with the function kit of npm.
#[derive(Debug)]
pub struct Node(PathBuf);

impl Node {
    /// Finds it, or skips aloud.
    #[must_use]
    pub fn find() -> Option<Self> {
        installed("node").map(Self)
    }

    /// An image that runs `file`.
    #[must_use]
    pub fn image(&self, file: &str) -> String {
        // A process's image has words and no shell, so the interpreter is found by `env`.
        format!("process:/usr/bin/env node {}", binaries::function(file).display())
    }

    /// The command that runs `file`.
    #[must_use]
    pub fn command(&self, file: &Path) -> Command {
        let mut command = Command::new("node");
        command.arg(file).env("NODE_PATH", self.path());
        command
    }

    /// What `NODE_PATH` has to be for it to find the kit.
    #[must_use]
    pub fn path(&self) -> String {
        self.0.join("node_modules").display().to_string()
    }
}

/// Is the interpreter `name` on this machine? Skips aloud if not.
#[must_use]
pub fn interpreter(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    if !found {
        skipped(&format!("there is no {name} on this machine"));
    }
    found
}
