//! What has to be there before the first container is made, and what is the matter if it is not.

use std::fmt::Write;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use hotfn_exec::Supervisor;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::engine::Engine;
use super::ids::Ids;
use super::init::{self, Init};
use super::network::{self, Network};
use super::rules::{Ground, Groups};
use super::runtime::{self, PassedOver, Runtime};
use super::{groups, probe};
use crate::container::sandbox::Sandbox;
use crate::watch::{Watch, WatchError};

/// How containers are made. Plain data.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The runtime, a name or a path. Default: the first that works of `crun`, `runc`, `youki` and `runsc`.
    pub runtime: Option<String>,
    /// Where bundles and runtimes' notes are kept; nothing there is of worth after a restart of the
    /// host. Default: `/run/hotfn/oci` for root; for others `hotfn/oci` in `XDG_RUNTIME_DIR`, else
    /// `hotfn-UID/oci` in the temporary folder.
    pub state: Option<PathBuf>,
    /// What containers may do.
    pub sandbox: Sandbox,
    /// What they reach. Default: themselves.
    pub network: Network,
    /// What is their first process. Default: a static `tini`, if there is one.
    pub init: Init,
    /// Make containers also where they cannot be held to limits of memory, CPU and processes, as without
    /// root. Default: no.
    pub unlimited: bool,
}

/// Why no container can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The program that is to be the first process cannot be.
    #[error("{path:?} cannot be the first process of containers: it is no program that needs no library")]
    Init {
        /// The program.
        path: PathBuf,
    },
    /// There is no such network.
    #[error("containers have no network: {why}")]
    Network {
        /// The reason.
        why: String,
    },
    /// The operating system refused.
    #[error("cannot {what}")]
    Os {
        /// What was tried.
        what: String,
        /// Its answer.
        #[source]
        source: io::Error,
    },
    /// No runtime works here.
    #[error("no container runtime works here; {}; install runc, or name another", listed(passed_over))]
    Runtime {
        /// Each that was looked for, and what is the matter with it.
        passed_over: Vec<PassedOver>,
    },
    /// Containers could not be held to their limits.
    #[error("without root, containers cannot be held to limits of memory, CPU and processes; run as root, or allow it")]
    Unlimited,
    /// Users of containers cannot be told from others.
    #[error("without root, containers need users of their own: {why}")]
    Users {
        /// What is missing.
        why: String,
    },
    /// Nothing can be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// Images are one directory each, shared by their containers.
    #[error("without overlay mounts, which are root's, containers cannot write to their root; leave it read-only")]
    Writable,
}

fn listed(passed_over: &[PassedOver]) -> String {
    passed_over.iter().enumerate().fold(String::new(), |mut list, (i, passed)| {
        let _ = write!(list, "{}{passed}", if i == 0 { "" } else { "; " });
        list
    })
}

impl Engine {
    /// Finds a runtime that works. Needs a tokio runtime, which containers are removed by as long as it
    /// runs.
    pub(super) async fn start(config: Config) -> Result<Arc<Self>, StartError> {
        let os = |what: &str| {
            let what = what.to_owned();
            move |source| StartError::Os { what, source }
        };
        let groups = groups::ours();
        if groups == Groups::None && !config.unlimited {
            return Err(StartError::Unlimited);
        }
        let state = config.state.clone().unwrap_or_else(usual_state);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&state).map_err(os(&format!("make {state:?}")))?;
        let supervisor = Supervisor::start().map_err(os("start the supervisor of processes"))?;
        let make = |runtime| {
            let ground = Ground {
                sandbox: config.sandbox.clone(),
                hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
                init: init::program(&config.init)?,
                groups,
                ids: Ids::ours().map_err(|why| StartError::Users { why })?,
            };
            Ok::<_, StartError>(Arc::new(Self {
                ground,
                runtime,
                network: network::Ready::new(&config.network)?,
                supervisor: supervisor.clone(),
                watch: Watch::new()?,
                handle: Handle::current(),
                removals: TaskTracker::new(),
                state: state.clone(),
                turns: Self::turns(),
                nodes: Mutex::default(),
            }))
        };

        let turn = probe::Turn::take(&state).await.map_err(os("wait for others to find a runtime"))?;
        let names = config.runtime.as_deref().map_or_else(|| runtime::KNOWN.to_vec(), |name| vec![name]);
        let (mut second, mut passed_over) = (None, Vec::new());
        for name in names {
            let pass = |why: String| {
                tracing::debug!(runtime = name, why, "a container runtime is passed over");
                PassedOver { runtime: name.to_owned(), why }
            };
            let engine = match Runtime::find(name, &supervisor, groups != Groups::None).await {
                Ok(runtime) => make(runtime)?,
                Err(why) => {
                    passed_over.push(pass(why));
                    continue;
                }
            };
            match probe::probe(&engine, &turn).await {
                Ok(()) if engine.runtime.keeps() => return Ok(engine),
                // Others may tell more.
                Ok(()) => second = second.or(Some(engine)),
                Err(why) => passed_over.push(pass(why)),
            }
        }
        let engine = second.ok_or(StartError::Runtime { passed_over })?;
        tracing::warn!(
            runtime = %engine.runtime.program().display(),
            "it cannot be told when a container ran out of memory: this runtime has no `run --keep`"
        );
        Ok(engine)
    }
}

fn usual_state() -> PathBuf {
    let uid = rustix::process::geteuid();
    if uid.is_root() {
        return "/run/hotfn/oci".into();
    }
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(dir) => PathBuf::from(dir).join("hotfn/oci"),
        None => std::env::temp_dir().join(format!("hotfn-{}", uid.as_raw())).join("oci"),
    }
}
