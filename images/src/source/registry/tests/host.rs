//! A real registry on loopback, in a directory of its own.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use oci_client::client::{ClientConfig, ClientProtocol};
use tempfile::TempDir;

use super::super::*;
use crate::document::MANIFEST;
use crate::testing::{Made, skipped};

/// The one user of a registry that asks who it is, and the hash of the password.
pub(super) const USER: &str = "ada";
pub(super) const PASSWORD: &str = "secret";
const HTPASSWD: &str = "ada:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n";
/// How long it may take to answer.
const START_TIMEOUT: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(10);

/// Debian's `docker-registry`, ended when this is dropped.
pub(super) struct Host {
    child: Child,
    dir: TempDir,
    /// `127.0.0.1:port`.
    pub(super) address: String,
    who: RegistryAuth,
}

impl Host {
    /// One that serves everybody; `None`, told aloud, if there is none on this machine.
    pub(super) fn open() -> Option<Self> {
        Self::start("", RegistryAuth::Anonymous)
    }

    /// One that serves Ada.
    pub(super) fn guarded() -> Option<Self> {
        Self::start(
            "auth: { htpasswd: { realm: hotfn, path: HTPASSWD } }\n",
            RegistryAuth::Basic(USER.into(), PASSWORD.into()),
        )
    }

    fn start(auth: &str, who: RegistryAuth) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        fs::write(path("htpasswd"), HTPASSWD).unwrap();
        // Free when we looked: another may take it before the registry does, which then ends.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let config = format!(
            "version: 0.1\nlog: {{ level: error }}\nhttp: {{ addr: {address:?} }}\nstorage: {{ filesystem: {{ rootdirectory: {:?} }} }}\n{}",
            path("storage"),
            auth.replace("HTPASSWD", &path("htpasswd"))
        );
        fs::write(path("config.yml"), config).unwrap();
        let mut registry = Command::new("docker-registry");
        registry.args(["serve", &path("config.yml")]).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(child) = registry.spawn() else {
            skipped("there is no docker-registry");
            return None;
        };
        let host = Self { child, dir, address, who };
        let began = Instant::now();
        while TcpStream::connect(&host.address).is_err() {
            assert!(began.elapsed() < START_TIMEOUT, "the registry does not answer");
            thread::sleep(LOOK);
        }
        Some(host)
    }

    /// Puts an image there.
    pub(super) async fn push(&self, name: &str, made: &Made) {
        let (client, image) = self.client(name);
        for (digest, bytes) in made.blobs.iter().filter(|(digest, _)| **digest != made.manifest.digest) {
            client.push_blob(&image, bytes.clone(), &digest.to_string()).await.unwrap();
        }
        self.push_document(name, &made.blobs[&made.manifest.digest], MANIFEST).await;
    }

    /// Puts a manifest or an index there.
    pub(super) async fn push_document(&self, name: &str, bytes: &[u8], media_type: &'static str) {
        let (client, image) = self.client(name);
        client.store_auth_if_needed(image.resolve_registry(), &self.who).await;
        let media_type = media_type.parse().unwrap();
        client.push_manifest_raw(&image, bytes.to_vec(), media_type).await.unwrap();
    }

    fn client(&self, name: &str) -> (Client, oci_client::Reference) {
        with_ring();
        let client = Client::new(ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() });
        let image: oci_client::Reference = format!("{}/{name}", self.address).parse().unwrap();
        let (store, who) = (client.clone(), self.who.clone());
        let registry = image.resolve_registry().to_owned();
        futures_util::FutureExt::now_or_never(async move { store.store_auth_if_needed(&registry, &who).await });
        (client, image)
    }

    /// The file in which it keeps a blob.
    pub(super) fn blob(&self, digest: Digest) -> PathBuf {
        let hex = digest.hex();
        let blobs = self.dir.path().join("storage/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(&hex).join("data")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
