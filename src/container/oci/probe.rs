//! Does a runtime work on this host? It is tried.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hotfn_images::ImageConfig;
use hotfn_protocols::Exit;
use rustix::fs::FlockOperation;

use super::engine::{Engine, Source};
use super::rootfs::Tree;
use super::spec::Mount;
use crate::container::{Container, Heard, Spec};

/// How long a container may take that has nothing to do.
const PATIENCE: Duration = Duration::from_secs(10);
/// Memory for it: room for a runtime's own start.
const MEMORY_MB: u64 = 64;
/// Where the program is that runs in it: the runtime itself, which is certain to be here.
const PROGRAM: &str = "/runtime";
/// Where that may find its libraries.
const LIBRARIES: [&str; 8] = ["/bin", "/lib", "/lib32", "/lib64", "/libx32", "/nix", "/sbin", "/usr"];

/// The right to probe, of which there is one for each state directory. It is given back when this is
/// dropped.
#[derive(Debug)]
pub(super) struct Turn {
    /// The agent that probes are made for. It is told by the file: the next who probes finds what a killed
    /// one left, and others with directories of their own have other names.
    node: String,
    /// Held locked.
    _file: File,
}

impl Turn {
    /// Waits until nobody else on this host probes.
    pub(super) async fn take(state: &Path) -> std::io::Result<Self> {
        let path = state.join("probe.lock");
        let locked = tokio::task::spawn_blocking(move || {
            let file = File::options().create(true).truncate(false).write(true).open(path)?;
            rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
            let about = file.metadata()?;
            Ok(Self { node: format!("probe-{}-{}", about.dev(), about.ino()), _file: file })
        });
        locked.await.expect("it only makes system calls")
    }
}

/// Runs a container that does next to nothing, by the rules that all containers have.
///
/// # Errors
/// With the reason why it did not end as it should.
pub(super) async fn probe(engine: &Arc<Engine>, turn: &Turn) -> Result<(), String> {
    // An agent that was killed while it probed has left something.
    engine.sweep(&turn.node).await.map_err(|e| e.to_string())?;
    let probed = tokio::time::timeout(PATIENCE, run(engine, &turn.node)).await;
    let probed = probed.unwrap_or_else(|_| Err(format!("a container did nothing for {PATIENCE:?}")));
    // What is removed behind our back has the name that the next runtime's container will have.
    engine.settled().await;
    engine.sweep(&turn.node).await.map_err(|e| e.to_string())?;
    probed
}

async fn run(engine: &Arc<Engine>, node: &str) -> Result<(), String> {
    let root = engine.state.join(node).join("root");
    fs::create_dir_all(&root).map_err(|e| format!("cannot make {root:?}: {e}"))?;
    let config = ImageConfig { entrypoint: vec![PROGRAM.to_owned(), "--version".to_owned()], ..ImageConfig::default() };
    let source = Source { config, tree: Tree::Flat(root), _image: None };
    let spec = Spec {
        id: node.to_owned(),
        node: node.to_owned(),
        function: node.to_owned(),
        image: engine.runtime.program().display().to_string(),
        dir: None,
        env: Vec::new(),
        iofs: None,
        pipes: false,
        memory_mb: MEMORY_MB,
        cpu_milli: 0,
        connections_max: 0,
    };
    let options = ["ro", "nosuid", "nodev"];
    let libraries = LIBRARIES.iter().filter(|dir| Path::new(dir).is_dir());
    let mut mounts: Vec<Mount> = libraries.map(|dir| Mount::bind(Path::new(dir), dir, &options)).collect();
    mounts.push(Mount::bind(engine.runtime.program(), PROGRAM, &options));

    let words = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&words);
    let ready = engine.make(spec, source, mounts).await.map_err(|e| e.to_string())?;
    let running = ready.run(Arc::new(move |_, line| {
        *heard.lock().unwrap_or_else(PoisonError::into_inner) = String::from_utf8_lossy(line).into_owned();
        Heard::Kept
    }));
    let running = running.await.map_err(|e| e.to_string())?;
    let exit = running.exit().await;
    running.end(Duration::ZERO).await;
    match exit {
        Exit::Code(0) => Ok(()),
        exit => {
            let words = words.lock().unwrap_or_else(PoisonError::into_inner);
            Err(format!("a container that should do nothing ended with {exit}: {words}"))
        }
    }
}
