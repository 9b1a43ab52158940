//! What others wrote, in the languages they wrote it in.
//!
//! `cargo xtask test` installs it below `target/peers`. Where it is missing a story is skipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::images::Image;
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

/// What the kit of PyPI is made of, by the beginnings of names.
const KIT: [&str; 3] = ["fdk", "httptools", "uvloop"];

/// Of an interpreter's library, what no function needs.
const LEFT_OUT: [&str; 4] = ["dist-packages", "site-packages", "test", "__pycache__"];

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

    /// The same in a container: the interpreter, its library, and of what is installed the kit.
    ///
    /// # Panics
    /// When a folder cannot be read.
    #[must_use]
    pub fn container(&self, file: &str) -> Image {
        const START: &str = "import sys; from fdk.scripts.fdk import main; sys.exit(main())";
        let (file, inside) = (binaries::function(file), Path::new("/function/func.py"));
        // Where the environment's own interpreter leads to.
        let program = self.0.join("venv/bin/python").canonicalize().expect("an interpreter");
        let mut image = Image::of_program(&program, &["-c", START, &inside.to_string_lossy(), "handler"])
            .config("Env", json!(["PATH=/usr/bin", "PYTHONPATH=/function", "PYTHONDONTWRITEBYTECODE=1"]))
            .and_at(&file, inside);
        let version = program.file_name().expect("a program has a name");
        // It looks for its library from where it lies itself, as in `/usr/bin` and `/usr/lib`.
        let prefix = program.parent().and_then(Path::parent).expect("an interpreter is in PREFIX/bin");
        let library = prefix.join("lib").join(version);
        for part in entries(&library) {
            if !LEFT_OUT.iter().any(|left_out| part.ends_with(left_out)) {
                image = image.and(&part);
            }
        }
        let mut extensions = shared_objects(&library.join("lib-dynload"));
        let installed = self.0.join("venv/lib").join(version).join("site-packages");
        for package in entries(&installed) {
            let name = package.file_name().expect("an entry has a name");
            if KIT.iter().any(|kit| name.to_string_lossy().starts_with(kit)) {
                image = image.and_at(&package, &Path::new("/function").join(name));
                extensions.extend(shared_objects(&package));
            }
        }
        extensions.iter().fold(image, |image, extension| image.and_libraries_of(extension))
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

    /// The same in a container: the interpreter of this machine, what it reads, and the kit.
    #[must_use]
    pub fn container(&self, file: &str) -> Image {
        let inside = Path::new("/function/func.js");
        let program = program_in_path("node").expect("the kit was installed by it");
        let mut image = Image::of_program(&program, &[&inside.to_string_lossy()])
            .and_at(&binaries::function(file), inside)
            .and_at(&self.0.join("node_modules"), Path::new("/function/node_modules"));
        // Debian's interpreter keeps some of its own modules there.
        let modules = Path::new("/usr/share/nodejs");
        if modules.is_dir() {
            image = image.and(modules);
        }
        image
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
    let found = program_in_path(name).is_some();
    if !found {
        skipped(&format!("there is no {name} on this machine"));
    }
    found
}

fn program_in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("cannot read {}: {e}", folder.display()));
    entries.flatten().map(|entry| entry.path()).collect()
}

/// Those in a folder and the folders below.
fn shared_objects(folder: &Path) -> Vec<PathBuf> {
    let (folders, files): (Vec<_>, Vec<_>) = entries(folder).into_iter().partition(|entry| entry.is_dir());
    let below = folders.iter().flat_map(|folder| shared_objects(folder));
    files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "so")).chain(below).collect()
}
