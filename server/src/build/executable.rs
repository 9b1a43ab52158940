//! A file that can be started as it is: `func`, or what `entrypoint` names.

use super::BuildError;
use crate::project::{Command, Project};

pub(super) fn build(project: &Project) -> Result<Command, BuildError> {
    let mut words: Vec<String> =
        project.entrypoint.as_deref().unwrap_or("./func").split_whitespace().map(str::to_owned).collect();
    // What belongs to the folder is named by its whole path, so that it does not matter where we run.
    if let Some(own) = words.first().map(|program| project.dir.join(program)).filter(|program| program.is_file()) {
        words[0] = own.canonicalize().unwrap_or(own).to_string_lossy().into_owned();
    }
    if words.is_empty() {
        return Err(BuildError::Nothing("the entrypoint names no program".to_owned()));
    }
    Ok(Command { words, ..Command::default() })
}
