//! Go: `go build` makes one program of the folder.

use super::{BuildError, OWN, run, tool};
use crate::project::{Command, Project};

pub(super) async fn build(project: &Project) -> Result<Command, BuildError> {
    build_with(project, &[]).await
}

/// A program that needs no libraries: without C, Go makes no other.
pub(super) async fn build_static(project: &Project) -> Result<Command, BuildError> {
    build_with(project, &[("CGO_ENABLED", "0")]).await
}

async fn build_with(project: &Project, env: &[(&str, &str)]) -> Result<Command, BuildError> {
    let program = project.dir.join(OWN).join("go").join("func").to_string_lossy().into_owned();
    let mut go = tool("go", &project.dir);
    go.args(["build", "-o", &program, "."]).envs(env.iter().copied());
    run(go, "go build").await?;
    Ok(Command { words: vec![program], ..Command::default() })
}
