//! A process under callgrind, and the rest of a call's way at its own speed.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Contender, Deployed, fresh, node};
use crate::bench::load;
use crate::bench::process::{self, Process};
use crate::bench::stage::Stage;
use crate::step;

/// Under valgrind a process cannot lower the limit of open files, which the node does for its functions:
/// unless it has as few itself.
const OPEN_FILES: u32 = 300;

/// Whose instructions are counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Counted {
    /// The agent without a front: `agent-calls`, whose one caller takes next to nothing.
    Agent,
    /// `examples/echo`, behind the floor's front.
    Function,
    /// hotfn, from its client's bytes to the function and back.
    Node,
}

impl Counted {
    /// All instructions of a process that is started, called so often, and ended.
    pub(crate) fn total(self, stage: &Stage, calls: u32) -> Result<f64> {
        match self {
            Self::Agent => {
                let mut agent = self.command(stage, "agent-calls");
                agent.arg(stage.built("echo")).args(["--callers", "1", "--calls", &calls.to_string()]);
                step::run(agent.stdout(std::process::Stdio::null()))?;
            }
            Self::Function => {
                let socket = fresh(stage, "counted")?;
                let mut echo = self.command(stage, "echo");
                echo.env("FN_FORMAT", "http-stream").env("FN_LISTENER", format!("unix:{}", socket.display()));
                let echo = Process::spawn(&mut echo, &stage.folder.join("counted-function.log"))?;
                process::wait_until(&format!("the function's socket {}", socket.display()), || socket.exists())?;
                call(stage, &Contender::floor_front(stage, "counted", socket, echo)?, calls)?;
            }
            Self::Node => {
                let hotfn = self.command(stage, "hotfn");
                let hotfn = node::node_by(stage, hotfn, "counted", &[Deployed::new(stage, "echo")])?;
                call(stage, &hotfn, calls)?;
            }
        }
        // The process has ended with its owner above, and said its last words.
        let log = self.log(stage);
        let text = fs::read_to_string(&log).with_context(|| format!("cannot read {}", log.display()))?;
        collected(&text).with_context(|| format!("valgrind counted nothing: {text}"))
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

    /// Where valgrind's words go.
    fn log(self, stage: &Stage) -> PathBuf {
        stage.folder.join(format!("{self}-counted.log"))
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agent => "agent",
            Self::Function => "function",
            Self::Node => "node",
        })
    }
}

/// So many calls, one after the other, and no more.
fn call(stage: &Stage, contender: &Contender, calls: u32) -> Result<()> {
    let args = ["--calls".to_owned(), calls.to_string(), "--seconds".to_owned(), "300".to_owned()];
    load::ours(stage, contender, &args)?;
    Ok(())
}

/// What callgrind's last words tell.
fn collected(log: &str) -> Option<f64> {
    log.lines().rev().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_in_the_last_words() {
        let log = "==7== Events    : Ir\n==7== Collected : 123456\n==7== \n==7== I   refs:      123,456\n";
        assert_eq!(collected(log), Some(123_456.0));
        assert_eq!(collected("==7== killed\n"), None);
    }
}
