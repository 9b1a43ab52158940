//! A registry, over the distribution protocol.
//!
//! `oci-client` speaks it: tokens, redirects, media types. What is ours: which registries are
//! spoken to without TLS, who we are to them, what is tried again and when, and going on with a
//! blob where it broke off. Bytes are written and digested on a thread that may block, never on
//! one that serves.
//!
//! Known limit: the client reads a manifest whole before we see its size. A registry that sends one without
//! end is stopped by the pull's timeout, not by a bound on bytes.

mod credentials;
mod failure;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Once;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use oci_client::client::BlobResponse;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, RegistryOperation};
use tokio::sync::mpsc;

use crate::document::{DOCKER_INDEX, DOCKER_MANIFEST, Descriptor, Document, INDEX, MANIFEST, Platform};
use crate::error::Trouble;
use crate::progress::Meter;
use crate::store::{Config, Partial, blocking};
use crate::{Digest, Limits, Remote};
use failure::trouble;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for the next bytes of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The wait before the second try; it doubles from try to try.
const BACKOFF: Duration = Duration::from_millis(250);
/// The longest wait between tries.
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// How many pieces may wait to be written. A piece is what a connection gives at once: some 16 KiB.
const PIECES_MAX: usize = 32;

/// An image of a registry, and our way to it.
pub(crate) struct Session {
    client: Client,
    image: oci_client::Reference,
    who: RegistryAuth,
    attempts_max: u32,
    limits: Limits,
}

impl Session {
    pub(super) async fn open(config: &Config, remote: Remote) -> Result<Self, Trouble> {
        let registry = remote.registry().to_owned();
        let plain = is_this_host(&registry) || config.insecure.contains(&registry);
        let protocol = if plain { ClientProtocol::HttpsExcept(vec![registry.clone()]) } else { ClientProtocol::Https };
        let client = ClientConfig {
            protocol,
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            user_agent: concat!("hotfn/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        with_ring();
        let client = Client::try_from(client).map_err(trouble)?;
        let who = credentials::of(&config.credentials, &registry).await?;
        let repository = remote.repository().to_owned();
        let image = match (remote.tag(), remote.digest()) {
            (_, Some(digest)) => oci_client::Reference::with_digest(registry, repository, digest.to_string()),
            (tag, None) => oci_client::Reference::with_tag(registry, repository, tag.unwrap_or("latest").to_owned()),
        };
        Ok(Self { client, image, who, attempts_max: config.attempts_max.max(1), limits: config.limits.clone() })
    }

    /// The manifest for this platform.
    pub(super) async fn manifest(&self) -> Result<Vec<u8>, Trouble> {
        self.log_in().await?;
        let bytes = self.document(&self.image).await?;
        let Document::Index(manifests) = self.read(&bytes)? else { return Ok(bytes) };
        let ours = Platform::choose(&manifests).map_err(Trouble::Invalid)?.digest;
        let bytes = self.document(&self.image.clone_with_digest(ours.to_string())).await?;
        if Digest::of(&bytes) == ours {
            Ok(bytes)
        } else {
            Err(Trouble::Invalid(format!("its manifest is not {ours}")))
        }
    }

    /// Gets the token that the registry wants to see, if it wants one. The client would do that by
    /// itself, and would take a token service that is away for a registry that says no.
    async fn log_in(&self) -> Result<(), Trouble> {
        let mut tries = Tries::new(self.attempts_max);
        loop {
            match self.client.auth(&self.image, &self.who, RegistryOperation::Pull).await {
                Ok(_) => return Ok(()),
                Err(e) => tries.again(trouble(e)).await?,
            }
        }
    }

    async fn document(&self, image: &oci_client::Reference) -> Result<Vec<u8>, Trouble> {
        let mut tries = Tries::new(self.attempts_max);
        loop {
            let accepted = [MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX];
            match self.client.pull_manifest_raw(image, &self.who, &accepted).await.map_err(trouble) {
                Ok((bytes, _)) if bytes.len() as u64 > self.limits.document_bytes_max => {
                    return Err(Trouble::Invalid("its manifest is over the bound document_bytes_max".to_owned()));
                }
                Ok((bytes, _)) => return Ok(bytes.into()),
                Err(trouble) => tries.again(trouble).await?,
            }
        }
    }

    fn read(&self, bytes: &[u8]) -> Result<Document, Trouble> {
        Document::read(bytes, &self.limits).map_err(Trouble::Invalid)
    }

    /// Fetches what `partial` lacks of a blob, and puts it in its place.
    pub(super) async fn blob(&self, blob: &Descriptor, mut partial: Partial, meter: &Meter) -> Result<(), Trouble> {
        let mut tries = Tries::new(self.attempts_max);
        loop {
            let before = partial.length();
            let outcome;
            (partial, outcome) = self.fetch(blob, partial, meter).await?;
            let outcome = outcome.and_then(|()| partial.finish());
            let Err(trouble) = outcome else { return Ok(()) };
            match partial.length().checked_sub(before) {
                // It comes, if in pieces: that is no reason to give up.
                Some(1..) => tries.anew(),
                Some(0) => {}
                None => meter.take_back(before - partial.length()),
            }
            tries.again(trouble).await?;
        }
    }

    /// Fetches as much as comes, and gives `partial` back with what was added.
    async fn fetch(
        &self,
        blob: &Descriptor,
        mut partial: Partial,
        meter: &Meter,
    ) -> Result<(Partial, Result<(), Trouble>), Trouble> {
        if partial.left() == 0 {
            return Ok((partial, Ok(())));
        }
        let descriptor = OciDescriptor { digest: blob.digest.to_string(), ..OciDescriptor::default() };
        let answer = self.client.pull_blob_stream_partial(&self.image, &descriptor, partial.length(), None).await;
        let mut stream = match answer {
            Ok(BlobResponse::Partial(rest)) => rest,
            // It cannot go on in the middle, so it begins again.
            Ok(BlobResponse::Full(whole)) => {
                meter.take_back(partial.length());
                partial.restart()?;
                whole
            }
            Err(e) => return Ok((partial, Err(trouble(e)))),
        };
        let (pieces, mut arrived) = mpsc::channel::<Bytes>(PIECES_MAX);
        let write = blocking(move || {
            let mut written = Ok(());
            while let (Ok(()), Some(piece)) = (&written, arrived.blocking_recv()) {
                written = partial.push(&piece);
            }
            Ok((partial, written))
        });
        let read = async move {
            while let Some(piece) = stream.next().await {
                let piece = piece.map_err(|e| Trouble::Transient(format!("broke off: {}", failure::chain(&e))))?;
                meter.add(piece.len() as u64);
                if pieces.send(piece).await.is_err() {
                    // The writer says why.
                    break;
                }
            }
            Ok(())
        };
        let (read, written) = tokio::join!(read, write);
        let (partial, written) = written?;
        Ok((partial, written.and(read)))
    }
}

/// How often something was tried.
struct Tries {
    made: u32,
    max: u32,
}

impl Tries {
    fn new(max: u32) -> Self {
        Self { made: 0, max }
    }

    fn anew(&mut self) {
        self.made = 0;
    }

    /// After a failure: waits before the next try, unless it was the last or the failure will not pass.
    async fn again(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        self.made += 1;
        if !trouble.may_pass() || self.made >= self.max {
            return Err(match trouble {
                Trouble::Transient(why) => Trouble::Transient(format!("{why} (tried {} times)", self.made)),
                other => other,
            });
        }
        let wait = wait(self.made, jitter());
        tracing::debug!(error = %trouble, ?wait, "registry is asked again");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// The wait after this many tries: twice as long from try to try, and of that a part between a half
/// and the whole, so that those who failed together do not all come back together.
fn wait(made: u32, jitter: f64) -> Duration {
    BACKOFF.saturating_mul(1 << (made - 1).min(10)).min(BACKOFF_MAX).mul_f64(0.5 + jitter / 2.0)
}

/// Between 0 and 1.
fn jitter() -> f64 {
    // Each such state is keyed anew, from the system's random numbers.
    let random = RandomState::new().build_hasher().finish();
    random as f64 / u64::MAX as f64
}

/// Is a registry on this host? What is said to it does not leave the machine.
fn is_this_host(registry: &str) -> bool {
    let host = match registry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((six, _)) => six,
        None => registry.split(':').next().unwrap_or(registry),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Makes `ring` the one who encrypts: the client leaves the choice to the process, which has to make
/// it before the first connection.
fn with_ring() {
    static ONCE: Once = Once::new();
    // If somebody chose before us, that is as good.
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

#[cfg(test)]
mod tests;
