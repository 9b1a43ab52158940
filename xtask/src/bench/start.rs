//! `cargo xtask bench start`: how long a node takes from its command to its first answer.
//!
//! Each start is one of a node as it is in everyday use: its store is a file that is there already, with
//! a thousand functions in it that nobody calls. It is asked again and again until it answers, and answers
//! when it is ready. Of many starts the median counts; the first of all, which makes the store, is told
//! apart.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::contender::free_address;
use super::part::Cores;
use super::stage::Stage;
use super::table::Table;
use crate::step::{run, step};
use crate::tree;

/// What a start may take, in ms: the median.
const TARGET_MS: f64 = 30.0;
/// Starts.
const STARTS: usize = 50;
/// Functions in the store.
const FUNCTIONS: usize = 1000;
/// How long one may take before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(20);
/// The pause between two tries: what the figures are exact to.
const LOOK_EVERY: Duration = Duration::from_micros(200);

/// Measures, tells, and fails if the target was missed.
pub(crate) fn run_all(words: &[&str]) -> Result<()> {
    let profile = match words {
        [] => "dist",
        ["--profile", profile] => profile,
        [word, ..] => bail!("unknown option {word:?}; `cargo xtask bench start` takes --profile NAME"),
    };
    step("build", || {
        let program = ["--package", "hotfn-server", "--bin", "hotfn"];
        run(Command::new("cargo").args(["build", "--profile", profile]).args(program).current_dir(tree::root()))
    })?;
    let stage = Stage::new(Cores::All, profile)?;
    let program = stage.built("hotfn");
    let full = stage.folder.join("full.toml");
    fs::write(&full, config(&stage.folder, FUNCTIONS)).context("cannot write a config")?;
    let bare = stage.folder.join("bare.toml");
    fs::write(&bare, config(&stage.folder, 0)).context("cannot write a config")?;

    let first = step("the first start, which makes the store", || start(&program, &full))?;
    let mut seen = step("starts", || (0..STARTS).map(|_| start(&program, &bare)).collect::<Result<Vec<_>>>())?;
    seen.sort_by(f64::total_cmp);
    let at = |share: usize| format!("{:.1}", seen[(STARTS - 1) * share / 100]);
    let rows =
        vec![vec![format!("{FUNCTIONS} functions in the store"), at(50), at(90), at(100), format!("{first:.1}")]];
    let header = ["a start to the first answer, in ms", "median", "p90", "longest", "the first of all"];
    print!("{}", Table::new("Starting a node", &header, rows, 1));
    let median = seen[STARTS / 2];
    let what = format!("a start within {TARGET_MS} ms: {median:.1} ms");
    println!("{} {what}", if median < TARGET_MS { "held:  " } else { "MISSED:" });
    if median < TARGET_MS { Ok(()) } else { bail!("missed: {what}") }
}

fn config(folder: &Path, functions: usize) -> String {
    let mut text = format!("[node]\nmemory = 8192\nstate = {:?}\n", folder.join("state"));
    for n in 0..functions {
        write!(text, "[[function]]\nname = \"f{n}\"\nimage = \"process:/bin/true\"\n")
            .expect("writing to a string does not fail");
    }
    text
}

/// From the command to the first answer, in ms. The node is gone when this returns.
fn start(program: &Path, config: &Path) -> Result<f64> {
    let address = free_address()?;
    let mut command = Command::new(program);
    command.args(["serve", "--listen", &address.to_string(), "--config"]).arg(config);
    let began = Instant::now();
    let mut node = Node(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().context("cannot start a node")?);
    while !answers(address) {
        if let Some(status) = node.0.try_wait()? {
            bail!("the node ended with {status}");
        }
        if began.elapsed() > PATIENCE {
            bail!("the node does not answer within {PATIENCE:?}");
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(began.elapsed().as_secs_f64() * 1000.0)
}

/// Does the node say that it is ready?
fn answers(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}

struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
