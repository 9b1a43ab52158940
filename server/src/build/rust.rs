//! Rust: `cargo build --release`, and what it says it made.
//!
//! The folder may be a package of its own or a member of a workspace: where `cargo` puts the
//! program is its affair, and it names the place in its messages.

use std::path::Path;
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::{BuildError, finish, io_error, not_started, tool};
use crate::project::{Command, Project};

pub(super) async fn build(project: &Project) -> Result<Command, BuildError> {
    build_with(project, &[]).await
}

/// A program that needs no libraries: for musl, where the toolchain has that, else with glibc linked in.
pub(super) async fn build_static(project: &Project) -> Result<Command, BuildError> {
    let arch = std::env::consts::ARCH;
    let musl = format!("{arch}-unknown-linux-musl");
    if has_target(project, &musl).await? {
        return build_with(project, &["--target", &musl]).await;
    }
    // With the target named, what runs while building (macros, build scripts) is not linked statically.
    let gnu = format!("{arch}-unknown-linux-gnu");
    let linked_in = format!("target.{gnu}.rustflags=[\"-C\", \"target-feature=+crt-static\"]");
    build_with(project, &["--target", &gnu, "--config", &linked_in]).await
}

/// Has the toolchain the standard library for `target`?
async fn has_target(project: &Project, target: &str) -> Result<bool, BuildError> {
    let mut rustc = tool("rustc", &project.dir);
    rustc.args(["--print", "target-libdir", "--target", target]).stdout(Stdio::piped());
    let said = rustc.output().await.map_err(|e| not_started(&rustc, e))?;
    Ok(said.status.success() && Path::new(String::from_utf8_lossy(&said.stdout).trim()).is_dir())
}

async fn build_with(project: &Project, how: &[&str]) -> Result<Command, BuildError> {
    let mut cargo = tool("cargo", &project.dir);
    cargo.args(["build", "--release", "--bins", "--message-format=json-render-diagnostics"]).args(how);
    cargo.stdout(Stdio::piped());
    let mut child = cargo.spawn().map_err(|e| not_started(&cargo, e))?;
    let stdout = child.stdout.take().expect("it was piped a line above");
    let mut programs = Vec::new();
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await.map_err(io_error("cannot read what cargo says".to_owned()))? {
        if let Ok(Message { target, executable: Some(path) }) = serde_json::from_str(&line) {
            programs.push((target.name, path));
        }
    }
    finish(&mut child, "cargo build").await?;
    Ok(Command { words: vec![choose(programs, &project.name)?], ..Command::default() })
}

/// A line of cargo's, of which only finished programs have an `executable`.
#[derive(Deserialize)]
struct Message {
    target: Target,
    executable: Option<String>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// One program is the function; of many, the one with the function's name or called `func`.
fn choose(mut programs: Vec<(String, String)>, function: &str) -> Result<String, BuildError> {
    if let Some(at) = programs.iter().position(|(name, _)| name == function || name == "func") {
        return Ok(programs.swap_remove(at).1);
    }
    match programs.len() {
        1 => Ok(programs.swap_remove(0).1),
        0 => Err(BuildError::Nothing("the package has no program; add a src/main.rs".to_owned())),
        _ => Err(BuildError::Nothing(format!(
            "the package has {} programs; call one of them {function:?} or \"func\"",
            programs.len()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_programs_one_must_stand_out() {
        let check = |names: &[&str], expected: Result<&str, &str>| {
            let programs = names.iter().map(|name| ((*name).to_owned(), format!("/{name}"))).collect();
            let chosen = choose(programs, "hello").map_err(|e| e.to_string());
            assert_eq!(chosen.as_deref().map_err(String::as_str), expected, "{names:?}");
        };
        check(&["other"], Ok("/other"));
        check(&["other", "hello"], Ok("/hello"));
        check(&["other", "func"], Ok("/func"));
        check(&[], Err("the package has no program; add a src/main.rs"));
        check(&["a", "b"], Err("the package has 2 programs; call one of them \"hello\" or \"func\""));
    }
}
