//! A folder with a function's source: what it is, and how it is to be served.
//!
//! What a person wrote into `func.yaml` ([`manifest`]) counts; what is not there is seen from the
//! files of the folder, so that a bare `func.py` is a function too. A folder of such folders is an
//! app's: it may have an `app.yaml` ([`app`]), and its functions are those that have a `func.yaml`
//! ([`tree`]).

pub mod app;
pub mod manifest;
pub mod tree;
pub mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hotfn::Function;
use hotfn_protocols::Format;

use crate::calls::Retries;
use crate::config::Deployment;
use crate::front::Trigger;
use manifest::Manifest;

/// A function's folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Project {
    /// The folder, absolute.
    pub dir: PathBuf,
    /// The function's name: the manifest's, else the folder's.
    pub name: String,
    /// What it is written for.
    pub runtime: Runtime,
    /// How it wants to be talked to.
    pub format: Format,
    /// The command that starts it in an image, as the manifest has it; builders read from it what
    /// they cannot know, such as a handler's name.
    pub entrypoint: Option<String>,
    /// Everything else the manifest says.
    pub manifest: Manifest,
}

/// What a function is written for, and so how it is built and started.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Runtime {
    /// Whatever its `Dockerfile` makes: an image, and no process.
    Docker,
    /// A file that can be started as it is.
    Executable,
    /// Go, with its FDK.
    Go,
    /// Node.js, with its FDK.
    Node,
    /// Python 3, with its FDK.
    Python,
    /// Rust, with ours.
    Rust,
}

/// Why a folder is no function's.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// There is no such folder.
    #[error("{} is not a folder; give the folder that holds the function", .0.display())]
    NoFolder(PathBuf),
    /// Nothing in it is known.
    #[error(
        "{} holds no function; put a func.yaml, Cargo.toml, func.py, func.js, package.json, go.mod, Dockerfile or an \
         executable named func there",
        .0.display()
    )]
    NoFunction(PathBuf),
    /// `func.yaml` or `app.yaml` cannot be followed.
    #[error("{}: {what}", .file.display())]
    Manifest {
        /// The file.
        file: PathBuf,
        /// What is the matter, and what would be right.
        what: String,
    },
}

/// Most bytes of a `func.yaml` or an `app.yaml`.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// What `parse` makes of the first of `names` that is there in `dir`, if one is.
///
/// # Errors
/// When it cannot be read, or `parse` says why not.
fn manifest<T>(
    dir: &Path,
    names: &[&str],
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, ProjectError> {
    for name in names {
        let file = dir.join(name);
        let refuse = |what: String| ProjectError::Manifest { file: file.clone(), what };
        if let Some(text) = text(&file).map_err(refuse)? {
            return parse(&text).map(Some).map_err(refuse);
        }
    }
    Ok(None)
}

/// The text of `file`, if it is there. What has no end is no file that a person wrote.
fn text(file: &Path) -> Result<Option<String>, String> {
    match std::fs::metadata(file) {
        Ok(metadata) if !metadata.is_file() => return Err("it is not a file".to_owned()),
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.to_string()),
    }
    let mut text = String::new();
    let read = File::open(file).and_then(|file| file.take(TEXT_BYTES_MAX + 1).read_to_string(&mut text));
    match read {
        Ok(bytes) if bytes as u64 > TEXT_BYTES_MAX => Err(format!("it is longer than {TEXT_BYTES_MAX} bytes")),
        Ok(_) => Ok(Some(text)),
        Err(e) => Err(e.to_string()),
    }
}

/// What starts a function: the outcome of a build.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Command {
    /// The program, then its arguments.
    pub words: Vec<String>,
    /// What its environment needs, beneath the function's own config.
    pub env: BTreeMap<String, String>,
}

impl Project {
    /// Looks into `dir`.
    ///
    /// # Errors
    /// When it is not a folder, holds nothing known, or its manifest cannot be followed.
    pub fn open(dir: &Path) -> Result<Self, ProjectError> {
        let dir = dir.canonicalize().ok().filter(|d| d.is_dir()).ok_or_else(|| ProjectError::NoFolder(dir.into()))?;
        let manifest = Manifest::of(&dir)?.unwrap_or_default();
        let runtime = match manifest.runtime {
            Some(runtime) => runtime,
            None => detect(&dir).ok_or_else(|| ProjectError::NoFunction(dir.clone()))?,
        };
        let folder = || dir.file_name().map_or_else(|| "func".to_owned(), |name| name.to_string_lossy().into_owned());
        Ok(Self {
            name: manifest.name.clone().unwrap_or_else(|| url_safe(&folder())),
            runtime,
            format: manifest.format.unwrap_or_else(|| runtime.format()),
            entrypoint: manifest.entrypoint.clone(),
            manifest,
            dir,
        })
    }

    /// The function that `command` starts, in `app`.
    #[must_use]
    pub fn deployment(&self, app: &str, command: &Command) -> Deployment {
        let mut function = Function::new(self.name.as_str(), crate::build::image(&command.words));
        app.clone_into(&mut function.app_id);
        app.clone_into(&mut function.app_name);
        function.dir = Some(self.dir.clone());
        function.format = self.format;
        let m = &self.manifest;
        function.memory_mb = m.memory.unwrap_or(function.memory_mb);
        function.timeout = m.timeout.map_or(function.timeout, Duration::from_secs);
        function.idle_timeout = m.idle_timeout.map_or(function.idle_timeout, Duration::from_secs);
        function.config = command.env.clone();
        function.config.extend(m.config.clone());
        let triggers = m.triggers.iter().map(|trigger| Trigger { app: app.to_owned(), source: trigger.source.clone() });
        Deployment { function, triggers: triggers.collect(), retries: Retries::default() }
    }
}

impl Runtime {
    /// What functions of this kind speak when nobody says otherwise: their FDKs know `http-stream`,
    /// a bare program knows its standard input.
    fn format(self) -> Format {
        match self {
            Self::Executable => Format::Default,
            Self::Docker | Self::Go | Self::Node | Self::Python | Self::Rust => Format::HttpStream,
        }
    }

    /// The runtime that the Fn CLI calls `name`, whatever version it carries: `python3.11`, `go`.
    fn named(name: &str) -> Option<Self> {
        match name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') {
            "docker" => Some(Self::Docker),
            "executable" => Some(Self::Executable),
            "go" => Some(Self::Go),
            "node" => Some(Self::Node),
            "python" => Some(Self::Python),
            "rust" => Some(Self::Rust),
            _ => None,
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Docker => "docker",
            Self::Executable => "executable",
            Self::Go => "go",
            Self::Node => "node",
            Self::Python => "python",
            Self::Rust => "rust",
        })
    }
}

/// The first of these files that is there tells the runtime. A `Dockerfile` comes last: where it stands beside a
/// source, it says how an image is made of that, and the source can be served without one.
fn detect(dir: &Path) -> Option<Runtime> {
    let signs = [
        ("Cargo.toml", Runtime::Rust),
        ("func.py", Runtime::Python),
        ("func.js", Runtime::Node),
        ("package.json", Runtime::Node),
        ("go.mod", Runtime::Go),
        ("func.go", Runtime::Go),
    ];
    if let Some((_, runtime)) = signs.into_iter().find(|(file, _)| dir.join(file).is_file()) {
        return Some(runtime);
    }
    let is_program = |func: &Metadata| func.is_file() && func.permissions().mode() & 0o111 != 0;
    match dir.join("func").metadata() {
        Ok(func) if is_program(&func) => Some(Runtime::Executable),
        _ => dir.join("Dockerfile").is_file().then_some(Runtime::Docker),
    }
}

/// A folder's name as a function's: what cannot stand in a URL becomes a dash.
fn url_safe(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.~".contains(c) { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::Builder::new().prefix("my function").tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    fn check(files: &[(&str, &str)], runtime: Runtime, format: Format) {
        let dir = folder(files);
        let project = Project::open(dir.path()).unwrap();
        assert_eq!((project.runtime, project.format), (runtime, format), "{files:?}");
    }

    #[test]
    fn a_folder_without_a_manifest_is_known_by_its_files() {
        check(&[("Cargo.toml", ""), ("func.py", "")], Runtime::Rust, Format::HttpStream);
        check(&[("func.py", "")], Runtime::Python, Format::HttpStream);
        check(&[("package.json", "{}")], Runtime::Node, Format::HttpStream);
        check(&[("func.js", "")], Runtime::Node, Format::HttpStream);
        check(&[("func.go", "")], Runtime::Go, Format::HttpStream);
        check(&[("Dockerfile", "")], Runtime::Docker, Format::HttpStream);
        check(&[("Dockerfile", ""), ("func.py", "")], Runtime::Python, Format::HttpStream);
    }

    #[test]
    fn a_manifest_outweighs_the_files() {
        check(&[("func.yaml", "runtime: node20\n"), ("Cargo.toml", "")], Runtime::Node, Format::HttpStream);
        check(&[("func.yaml", "runtime: docker\n"), ("func.py", "")], Runtime::Docker, Format::HttpStream);
        check(&[("func.yaml", "format: json\n"), ("func.py", "")], Runtime::Python, Format::Json);
    }

    #[test]
    fn an_executable_is_a_function_and_speaks_default() {
        let dir = folder(&[("func", "#!/bin/sh\n")]);
        assert!(matches!(Project::open(dir.path()), Err(ProjectError::NoFunction(_))));
        fs::set_permissions(dir.path().join("func"), fs::Permissions::from_mode(0o755)).unwrap();
        let project = Project::open(dir.path()).unwrap();
        assert_eq!((project.runtime, project.format), (Runtime::Executable, Format::Default));
        assert!(project.name.starts_with("my-function"), "{}", project.name);
    }

    #[test]
    fn a_manifest_is_a_file_that_a_person_could_have_written() {
        let dir = folder(&[("func.yaml", &format!("#{}", "x".repeat(1 << 20)))]);
        let e = Project::open(dir.path()).unwrap_err().to_string();
        assert!(e.ends_with("func.yaml: it is longer than 1048576 bytes"), "{e}");
        let dir = folder(&[]);
        std::os::unix::fs::symlink("/dev/zero", dir.path().join("func.yaml")).unwrap();
        let e = Project::open(dir.path()).unwrap_err().to_string();
        assert!(e.ends_with("func.yaml: it is not a file"), "{e}");
    }

    #[test]
    fn a_wrong_folder_is_told_what_would_be_right() {
        let e = Project::open(Path::new("/nowhere")).unwrap_err().to_string();
        assert_eq!(e, "/nowhere is not a folder; give the folder that holds the function");
        let empty = folder(&[]);
        let e = Project::open(empty.path()).unwrap_err().to_string();
        assert!(e.contains("holds no function; put a func.yaml"), "{e}");
    }
}
