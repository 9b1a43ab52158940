//! Go: `go build` makes one program of the folder.

use super::{BuildError, OWN, run, tool};
use crate::project::{Command, Project};

pub(super) async fn build(project: &Project) -> Result<Command, BuildError> {
    let program = project.dir.join(OWN).join("go").join("func").to_string_lossy().into_owned();
    let mut go = tool("go", &project.dir);
    go.args(["build", "-o", &program, "."]);
    run(go, "go build").await?;
    Ok(Command { words: vec![program], ..Command::default() })
}
