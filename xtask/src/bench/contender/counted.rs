//! A process under callgrind, and the rest of a call's way at its own speed.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::{Contender, Deployed, node};
use crate::bench::process::{self, Process};
use crate::bench::stage::Stage;

/// Under valgrind a process cannot lower the limit of open files, which the node does for its functions:
/// unless it has as few itself.
const OPEN_FILES: u32 = 300;

/// Whose instructions are counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Counted {
    /// `examples/echo`, behind the floor's front.
    Function,
    /// hotfn on one thread.
    Node,
}

impl Counted {
    /// Where valgrind's words go.
    fn log(self, stage: &Stage) -> PathBuf {
        stage.folder.join(format!("{self}-counted.log"))
    }

    /// A command for one of our programs, under callgrind.
    fn command(self, stage: &Stage, program: &str) -> Command {
        let mut command = stage.command("prlimit");
        command
            .arg(format!("--nofile={OPEN_FILES}:{OPEN_FILES}"))
            .arg("valgrind")
            .arg("--tool=callgrind")
            .arg(format!("--callgrind-out-file={}", stage.folder.join("callgrind.out").display()))
            .arg(format!("--log-file={}", self.log(stage).display()))
            .arg(stage.built(program));
        command
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Function => "function",
            Self::Node => "node",
        })
    }
}

impl Contender {
    /// A contender of which one process is counted.
    pub(crate) fn counted(stage: &Stage, counted: Counted) -> Result<Self> {
        match counted {
            Counted::Node => {
                let mut command = counted.command(stage, "hotfn");
                command.args(["--threads", "1"]);
                node::node_by(stage, command, "counted", &[Deployed::new(stage, "echo")])
            }
            Counted::Function => {
                let socket = super::fresh(stage, "counted")?;
                let mut echo = counted.command(stage, "echo");
                echo.env("FN_FORMAT", "http-stream").env("FN_LISTENER", format!("unix:{}", socket.display()));
                let echo = Process::spawn(&mut echo, &stage.folder.join("counted-function.log"))?;
                process::wait_until(&format!("the function's socket {}", socket.display()), || socket.exists())?;
                Self::floor_front(stage, "counted", socket, echo)
            }
        }
    }

    /// Ends it, and says where valgrind's words are.
    pub(crate) fn end_counted(&mut self, stage: &Stage, counted: Counted) -> PathBuf {
        self.front.end();
        if let Some(function) = &mut self.function {
            function.end();
        }
        counted.log(stage)
    }
}
