//! Containers of a real runtime, in each of which a shell of this host runs a script.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use hotfn_images::ImageConfig;
use hotfn_protocols::Exit;
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::container::{Ready, Running};
use super::engine::{Engine, Source};
use super::rootfs::Tree;
use super::spec::Mount;
use super::*;
use crate::container::sandbox::Sandbox;
use crate::container::{Container, DriverError, Heard, LogLine, Spec};

mod limits;
mod network;
mod rootless;
mod sandbox;
mod traces;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// An engine of the test's own, and what it works in.
struct World {
    engine: Arc<Engine>,
    dir: TempDir,
    node: String,
}

/// A container, and what it prints.
struct Shell {
    running: Running,
    lines: mpsc::UnboundedReceiver<String>,
}

/// Is there a runtime here, and may we use it? If not, the test is over, and says so.
fn is_possible() -> bool {
    let found = ["runc", "crun"]
        .iter()
        .any(|name| hotfn_exec::program::find(name.as_ref(), &runtime::search(), Path::new("/")).is_ok());
    let possible = found && rustix::process::geteuid().is_root();
    if !possible {
        assert!(std::env::var_os("HOTFN_SKIP_NOTHING").is_none(), "no container runtime, or not root");
        eprintln!("SKIPPED: needs a container runtime, and root");
    }
    possible
}

impl World {
    async fn new() -> Self {
        Self::with(Config::default()).await
    }

    async fn with(config: Config) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let dir = tempfile::tempdir().unwrap();
        make_layer(dir.path());
        let state = Some(dir.path().join("state"));
        let engine = Engine::start(Config { state, ..config }).await.unwrap();
        let node = format!("test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        Self { engine, dir, node }
    }

    fn spec(&self, id: &str) -> Spec {
        Spec {
            id: format!("{id}-{}", self.node),
            node: self.node.clone(),
            function: "f".to_owned(),
            image: "shell".to_owned(),
            dir: None,
            env: vec![("SAID".to_owned(), "by the agent".to_owned())],
            iofs: None,
            pipes: false,
            memory_mb: 128,
            cpu_milli: 0,
            connections_max: 0,
        }
    }

    async fn make(&self, spec: Spec, script: &str) -> Result<Ready, DriverError> {
        let command = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let config = ImageConfig {
            entrypoint: command(&["/bin/sh", "-c"]),
            cmd: command(&[script]),
            env: command(&["SAID=by the image", "IMAGE=here"]),
            ..ImageConfig::default()
        };
        let tree = if rustix::process::geteuid().is_root() {
            Tree::Layers { layers: vec![self.dir.path().join("layer")], userxattr: false }
        } else {
            Tree::Flat(self.dir.path().join("layer"))
        };
        let options = ["ro", "nosuid", "nodev"];
        let mounts = host_dirs().map(|dir| Mount::bind(Path::new(dir), dir, &options)).collect();
        self.engine.make(spec, Source { config, tree, _image: None }, mounts).await
    }

    async fn start(&self, spec: Spec, script: &str) -> Shell {
        let ready = self.make(spec, script).await.unwrap();
        let (log, lines) = log();
        Shell { running: ready.run(log).await.unwrap(), lines }
    }

    async fn run(&self, script: &str) -> Shell {
        self.start(self.spec("shell"), script).await
    }

    /// What a script prints, to its end.
    async fn output(&self, script: &str) -> (Exit, Vec<String>) {
        let mut shell = self.run(script).await;
        let exit = shell.exit().await;
        shell.running.end(Duration::ZERO).await;
        let mut lines = Vec::new();
        while let Ok(line) = shell.lines.try_recv() {
            lines.push(line);
        }
        (exit, lines)
    }

    /// What is left of containers: of their directories, mounts, and control groups.
    fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        for runtime in home::Home::new(&self.engine.state, &self.node).runtimes() {
            left.extend(fs::read_dir(runtime).unwrap().map(|entry| entry.unwrap().path().display().to_string()));
        }
        left.extend(
            home::Home::new(&self.engine.state, &self.node).bundles().iter().map(|dir| dir.display().to_string()),
        );
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let ours = self.dir.path().to_str().unwrap();
        left.extend(mounts.lines().filter(|line| line.contains(ours)).map(str::to_owned));
        for place in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
            let group = place.path().join("hotfn").join(&self.node);
            for inner in fs::read_dir(group).into_iter().flatten().flatten().filter(|inner| inner.path().is_dir()) {
                left.push(inner.path().display().to_string());
            }
        }
        left
    }
}

impl Shell {
    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.lines.recv()).await.expect("it prints a line in time");
        line.expect("it prints a line")
    }

    async fn exit(&self) -> Exit {
        tokio::time::timeout(PATIENCE, self.running.exit()).await.expect("it ends in time")
    }
}

/// The one layer of a test's image: places for the host's programs.
fn make_layer(dir: &Path) {
    host_dirs().for_each(|place| fs::create_dir_all(dir.join("layer").join(&place[1..])).unwrap());
}

fn host_dirs() -> impl Iterator<Item = &'static str> {
    ["/bin", "/lib", "/lib64", "/usr"].into_iter().filter(|dir| Path::new(dir).exists())
}

fn log() -> (LogLine, mpsc::UnboundedReceiver<String>) {
    let (sender, lines) = mpsc::unbounded_channel();
    let log: LogLine = Arc::new(move |_, line: &[u8]| {
        let _ = sender.send(String::from_utf8_lossy(line).into_owned());
        Heard::Kept
    });
    (log, lines)
}

#[tokio::test]
async fn a_function_ends_as_it_ends() {
    if !is_possible() {
        return;
    }
    let world = World::new().await;
    assert_eq!(world.output("echo hello; echo there >&2; exit 7").await.0, Exit::Code(7));
    assert_eq!(world.output("kill -9 $$").await.0, Exit::Signal(9));
    assert_eq!(world.output("true").await.0, Exit::Code(0));
    assert_eq!(world.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_command_that_is_not_there_says_so() {
    if !is_possible() {
        return;
    }
    let world = World::with(Config { init: Init::Function, ..Config::default() }).await;
    let mut image = ImageConfig { entrypoint: vec!["/nowhere".to_owned()], ..ImageConfig::default() };
    let tree = Tree::Layers { layers: vec![world.dir.path().join("layer")], userxattr: false };
    let source = |config: &ImageConfig| Source { config: config.clone(), tree: tree.clone(), _image: None };
    let ready = world.engine.make(world.spec("absent"), source(&image), Vec::new()).await.unwrap();
    let error = ready.run(log().0).await.unwrap_err().to_string();
    assert!(error.contains("/nowhere"), "{error}");

    image.volumes = vec!["/data".to_owned()];
    let error = world.engine.make(world.spec("volume"), source(&image), Vec::new()).await.unwrap_err().to_string();
    assert!(error.contains("/data"), "{error}");
    image = ImageConfig::default();
    let error = world.engine.make(world.spec("empty"), source(&image), Vec::new()).await.unwrap_err().to_string();
    assert!(error.contains("entrypoint"), "{error}");
}

#[tokio::test]
async fn its_pipes_are_the_formats() {
    if !is_possible() {
        return;
    }
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = World::new().await;
    let spec = Spec { pipes: true, ..world.spec("pipes") };
    let mut shell = world.start(spec, "echo log >&2; cat; exit 3").await;
    let Some(hotfn_protocols::Ends::Pipes { mut stdin, mut stdout, exit }) = shell.running.pipes() else { panic!() };
    stdin.write_all(b"through").await.unwrap();
    drop(stdin);
    let mut back = String::new();
    stdout.read_to_string(&mut back).await.unwrap();
    assert_eq!(back, "through");
    assert_eq!(shell.line().await, "log");
    assert_eq!(exit.0.await, Exit::Code(3));
    shell.running.end(Duration::ZERO).await;
}

#[tokio::test]
async fn an_end_is_asked_for_before_it_is_made() {
    if !is_possible() {
        return;
    }
    let world = World::new().await;
    let mut shell = world.run("trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.01; done").await;
    assert_eq!(shell.line().await, "up");
    shell.running.freeze().await.unwrap();
    shell.running.end(PATIENCE).await;
    assert_eq!(shell.line().await, "bye");
    assert_eq!(shell.exit().await, Exit::Code(5));

    let mut deaf = world.run("trap '' TERM; echo up; while :; do sleep 1; done").await;
    assert_eq!(deaf.line().await, "up");
    deaf.running.end(Duration::from_millis(50)).await;
    assert_eq!(deaf.exit().await, Exit::Signal(9));
    assert_eq!(world.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_frozen_one_stands_still_and_thaws_at_once() {
    if !is_possible() {
        return;
    }
    let world = World::new().await;
    let mut shell = world.run("while :; do echo tick; sleep 0.001; done").await;
    shell.line().await;
    let mut thaws = Vec::new();
    for _ in 0..20 {
        shell.running.freeze().await.unwrap();
        // What it had said by then may still come.
        while tokio::time::timeout(Duration::from_millis(20), shell.lines.recv()).await.is_ok() {}
        let began = Instant::now();
        shell.running.thaw().await.unwrap();
        thaws.push(began.elapsed());
        shell.line().await;
    }
    thaws.sort();
    assert!(thaws[thaws.len() / 2] < Duration::from_millis(1), "{thaws:?}");
    shell.running.end(Duration::ZERO).await;
}

#[tokio::test]
async fn a_runtime_that_does_not_work_is_passed_over_with_its_reason() {
    if !is_possible() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let fake = dir.path().join("fake");
    fs::write(&fake, "#!/bin/sh\ncase \"$*\" in *--help) echo --keep;; *) echo not here >&2; exit 1;; esac\n").unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    let start = |runtime: &str| {
        let state = Some(dir.path().join("state"));
        Engine::start(Config { runtime: Some(runtime.to_owned()), state, ..Config::default() })
    };
    let error = start(fake.to_str().unwrap()).await.unwrap_err().to_string();
    assert!(error.contains("fake") && error.contains("start container"), "{error}");
    let error = start("no-such-runtime").await.unwrap_err().to_string();
    assert!(error.contains("no-such-runtime"), "{error}");
}
