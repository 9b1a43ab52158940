//! A registry of images on this machine.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::{program, soon};

/// Whom a guarded registry lets in, and what it asks of them.
pub const NAME: &str = "story";
/// The same's password.
pub const PASSWORD: &str = "secret";
/// The two of them as the registry wants them.
const HTPASSWD: &str = "story:$2b$05$AHH2rfxGxjcvQIWxV0F9DO8q1GHvlOYQNXR8MF3KH.yO1pJQ2suQS\n";

/// Who is let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Door {
    /// Only who knows the password.
    Guarded,
    /// Everybody.
    Open,
}

/// A registry that runs. Dropping it ends it.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    host: String,
    folder: TempDir,
}

impl Registry {
    /// Starts one; `None` on a machine that has none.
    ///
    /// # Panics
    /// When it is there and does not start.
    pub async fn start(door: Door) -> Option<Self> {
        let folder = TempDir::with_prefix("registry-").expect("the temporary folder is writable");
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        let config = folder.path().join("config.yml");
        fs::write(&config, config_of(folder.path(), port, door)).expect("a new folder is writable");
        fs::write(folder.path().join("htpasswd"), HTPASSWD).expect("a new folder is writable");
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().ok()?;
        let host = format!("127.0.0.1:{port}");
        let registry = Self { child, host: host.clone(), folder };
        soon("the registry to listen", || std::net::TcpStream::connect(&host).ok()).await;
        Some(registry)
    }

    /// The name of `image` in this registry.
    #[must_use]
    pub fn name(&self, image: &str) -> String {
        format!("{}/{image}", self.host)
    }

    /// Puts an image of the engine's into it under the name `image`, and takes that name from the engine.
    ///
    /// # Panics
    /// When that fails.
    pub fn push(&self, of: &str, image: &str) {
        let name = self.name(image);
        let login = ["login", "--username", NAME, "--password", PASSWORD, &self.host];
        for args in [&login[..], &["tag", of, &name], &["push", "--quiet", &name], &["rmi", &name]] {
            let mut docker = Command::new("docker");
            // Who we are here is nobody else's business.
            let _ended = program::run(docker.args(args).env("DOCKER_CONFIG", self.folder.path()), b"").well();
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config_of(folder: &Path, port: u16, door: Door) -> String {
    let folder = folder.display();
    let auth = match door {
        Door::Guarded => format!("auth: {{htpasswd: {{realm: story, path: {folder}/htpasswd}}}}\n"),
        Door::Open => String::new(),
    };
    format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n\
         http: {{addr: \"127.0.0.1:{port}\"}}\n{auth}"
    )
}
