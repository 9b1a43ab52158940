//! How a folder becomes something that can be started: a file a runtime.
//!
//! What a build makes or fetches goes into the folder's own `target/` (Rust) or [`OWN`], beside the
//! source and never into it. A build says what it does on standard error, as the tools it calls do;
//! its outcome is a [`Command`].

mod executable;
mod go;
pub mod image;
mod node;
mod python;
mod rust;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use hotfn::container::process::SCHEME;
use hotfn_images::ImageError;
use tokio::process;

use crate::project::{Command, Project, ProjectError, Runtime};

/// The folder in a project's own that holds what was built and fetched for it.
pub const OWN: &str = ".hotfn";

/// Why a build failed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No image came of it.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A tool it needs is not on this machine.
    #[error("{tool} is needed to build this function and was not found; install it, or put it on PATH")]
    NoTool {
        /// Its name.
        tool: String,
    },
    /// A tool it needs could not be started, or a file not be written.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The folder is no function's.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// A tool said no; why, it has told standard error.
    #[error("{tool} failed with {status}; its own words are above")]
    Refused {
        /// Its name and what it was to do.
        tool: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The build went well and left nothing that could be started.
    #[error("{0}")]
    Nothing(String),
}

/// Builds `project`.
///
/// Cancel safe: the tool at work is ended.
///
/// # Errors
/// When a tool is missing or refuses, or nothing comes of it.
pub async fn build(project: &Project) -> Result<Command, BuildError> {
    match project.runtime {
        Runtime::Docker => Err(BuildError::Nothing(format!(
            "{} is a function by its Dockerfile, which makes an image; serve it with --driver docker or oci",
            project.dir.display()
        ))),
        Runtime::Executable => executable::build(project),
        Runtime::Go => go::build(project).await,
        Runtime::Node => node::build(project).await,
        Runtime::Python => python::build(project).await,
        Runtime::Rust => rust::build(project).await,
    }
}

/// The image that starts this program with these arguments, each quoted where it needs to be.
#[must_use]
pub fn image(words: &[String]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%".contains(c);
    let mut image = SCHEME.to_owned();
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            image.push(' ');
        }
        if !word.is_empty() && word.chars().all(plain) {
            image.push_str(word);
        } else {
            image.push('\'');
            image.push_str(&word.replace('\'', r"'\''"));
            image.push('\'');
        }
    }
    image
}

/// A tool that works in `dir` and whose words go to standard error.
fn tool(name: &str, dir: &Path) -> process::Command {
    let mut tool = process::Command::new(name);
    tool.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::from(io::stderr())).kill_on_drop(true);
    tool
}

/// Runs a tool to its end.
async fn run(mut tool: process::Command, what: &str) -> Result<(), BuildError> {
    let mut child = tool.spawn().map_err(|e| not_started(&tool, e))?;
    finish(&mut child, what).await
}

async fn finish(child: &mut process::Child, what: &str) -> Result<(), BuildError> {
    let status = child.wait().await.map_err(io_error(format!("cannot wait for {what}")))?;
    if status.success() { Ok(()) } else { Err(BuildError::Refused { tool: what.to_owned(), status }) }
}

fn not_started(tool: &process::Command, source: io::Error) -> BuildError {
    let tool = tool.as_std().get_program().to_string_lossy().into_owned();
    match source.kind() {
        io::ErrorKind::NotFound => BuildError::NoTool { tool },
        _ => BuildError::Io { what: format!("cannot start {tool}"), source },
    }
}

fn io_error(what: String) -> impl FnOnce(io::Error) -> BuildError {
    move |source| BuildError::Io { what, source }
}

/// Dependencies fetched into a folder, and a note beside it of what they were fetched for, so that
/// they are fetched again only when that has changed.
struct Fetched {
    dir: PathBuf,
    note: PathBuf,
    wanted: Vec<u8>,
}

impl Fetched {
    /// The dependencies of `project` for `runtime`, as the texts of `files` ask for them.
    fn new(project: &Project, runtime: &str, files: &[&str]) -> Self {
        let own = project.dir.join(OWN);
        let mut wanted = Vec::new();
        for file in files {
            wanted.extend_from_slice(file.as_bytes());
            wanted.push(b'\n');
            wanted.extend(std::fs::read(project.dir.join(file)).unwrap_or_default());
        }
        Self { dir: own.join(runtime), note: own.join(format!("{runtime}.fetched")), wanted }
    }

    fn is_current(&self) -> bool {
        std::fs::read(&self.note).is_ok_and(|noted| noted == self.wanted)
    }

    /// An empty folder to fetch into. Until [`noted`](Self::noted), it counts as not fetched.
    fn cleared(&self) -> Result<&Path, BuildError> {
        for gone in [std::fs::remove_file(&self.note), std::fs::remove_dir_all(&self.dir)] {
            match gone {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(io_error(format!("cannot clear {}", self.dir.display()))(e));
                }
                _ => {}
            }
        }
        std::fs::create_dir_all(&self.dir).map_err(io_error(format!("cannot make {}", self.dir.display())))?;
        Ok(&self.dir)
    }

    fn noted(&self) -> Result<(), BuildError> {
        std::fs::write(&self.note, &self.wanted).map_err(io_error(format!("cannot write {}", self.note.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_an_image_are_quoted_where_they_need_to_be() {
        let check = |words: &[&str], expected: &str| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(image(&words), expected);
        };
        check(&["./func", "-x=1"], "process:./func -x=1");
        check(&["/my dir/func", "it's", ""], r"process:'/my dir/func' 'it'\''s' ''");
    }
}
