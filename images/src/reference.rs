//! Where an image is, as people write it.
//!
//! | text | means |
//! |---|---|
//! | `hello`, `ada/hello:2`, `localhost:5000/hello`, `hello@sha256:…` | an image of this store, else of a registry, by Docker's rules: `docker.io`, `library/` and `:latest` go without saying |
//! | `oci:PATH`, `oci:PATH:TAG` | an OCI image layout, a directory or a tar of one |
//! | `docker-archive:FILE` | what `docker save` writes |
//!
//! [`Display`](std::fmt::Display) writes the shortest text that means the same. What is absent: `docker://`, and
//! digests other than SHA-256.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::Digest;

/// Where an image is.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Reference {
    /// In a file that `docker save` wrote.
    DockerArchive(PathBuf),
    /// In an OCI image layout.
    Layout {
        /// The layout's directory, or a tar of it.
        path: PathBuf,
        /// The image's name within the layout; `None` where there is but one.
        tag: Option<String>,
    },
    /// In this store, or in a registry.
    Remote(Remote),
}

/// An image of a registry: which registry, which repository there, which image in that.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Remote {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text names no image.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("image {given:?} {why}")]
pub struct ReferenceError {
    /// The text, cut where it gets long.
    pub given: String,
    /// What is the matter with it.
    pub why: &'static str,
}

impl Reference {
    /// Reads what a person wrote.
    ///
    /// ```
    /// use hotfn_images::Reference;
    ///
    /// let hello = Reference::parse("hello")?;
    /// assert_eq!(hello, Reference::parse("docker.io/library/hello:latest")?);
    /// assert_eq!(hello.to_string(), "hello:latest");
    /// # Ok::<(), hotfn_images::ReferenceError>(())
    /// ```
    ///
    /// A path that ends with something like `:tag` is read as a path and a tag; an `oci:` path with
    /// a colon in its last part needs a tag behind it.
    ///
    /// # Errors
    /// When it names no image; the error says why.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let parsed = if text.len() > TEXT_BYTES_MAX {
            Err("is longer than 4096 bytes")
        } else if text.contains('\0') {
            Err("has a NUL in it")
        } else if let Some(rest) = text.strip_prefix("oci:") {
            layout(rest)
        } else if let Some(file) = text.strip_prefix("docker-archive:") {
            path(file).map(Self::DockerArchive)
        } else {
            Remote::read(text).map(Self::Remote)
        };
        parsed.map_err(|why| ReferenceError { given: text.chars().take(GIVEN_CHARS_MAX).collect(), why })
    }
}

/// A path may be as long as the system takes; a name is bounded on its own.
const TEXT_BYTES_MAX: usize = 4096;
const GIVEN_CHARS_MAX: usize = 200;

impl Remote {
    /// The registry's host, with its port if that was given: `docker.io`, `localhost:5000`.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in it: `library/hello`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag. `latest` if nothing was given, none if only a digest was.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, which decides if there is a tag as well.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    fn read(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("is empty");
        }
        if text.contains("://") {
            return Err("has a scheme; write host/name:tag, oci:PATH or docker-archive:FILE");
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let digest =
            digest.map(str::parse).transpose().map_err(|_| "has a digest that is not sha256: and 64 digits")?;
        // A colon before the last slash belongs to the registry's port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err("has a tag that is not 1 to 128 letters, digits, and _ . - inside");
        }
        let (registry, repository) = split(name);
        if !is_registry(&registry) {
            return Err("has a registry that is not a host name with perhaps a port");
        }
        if registry.len() + 1 + repository.len() > NAME_BYTES_MAX {
            return Err("has a name longer than 255 bytes");
        }
        if !repository.split('/').all(is_component) {
            return Err("has a name that is not lower case letters and digits, with single . _ - or __ between them");
        }
        let tag = match (tag, digest) {
            (None, None) => Some(LATEST.to_owned()),
            (tag, _) => tag.map(str::to_owned),
        };
        Ok(Self { registry, repository, tag, digest })
    }
}

const DOCKER_HUB: &str = "docker.io";
const LATEST: &str = "latest";
const LIBRARY: &str = "library/";
/// Words that mean something else before a colon, here or to those who use us.
const PLACES: [&str; 3] = ["docker-archive", "oci", "process"];
const NAME_BYTES_MAX: usize = 255;
const TAG_BYTES_MAX: usize = 128;

/// The registry and the repository, with what goes without saying.
fn split(name: &str) -> (String, String) {
    let is_host = |first: &str| {
        first.contains(['.', ':']) || first == "localhost" || first.contains(|c: char| c.is_ascii_uppercase())
    };
    match name.split_once('/') {
        Some((DOCKER_HUB | "index.docker.io", rest)) => (DOCKER_HUB.to_owned(), official(rest)),
        Some((first, rest)) if is_host(first) => (first.to_owned(), rest.to_owned()),
        _ => (DOCKER_HUB.to_owned(), official(name)),
    }
}

/// Docker Hub's own images need not say that they are.
fn official(name: &str) -> String {
    if name.contains('/') { name.to_owned() } else { format!("{LIBRARY}{name}") }
}

fn is_registry(host: &str) -> bool {
    let (host, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((six, port)) => {
            if six.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            ("six", port.strip_prefix(':').or_else(|| (!port.is_empty()).then_some("none")))
        }
        None => match host.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (host, None),
        },
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.split('.').all(label) && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// `[a-z0-9]+`, and between such runs one `.`, one or two `_`, or any number of `-`.
fn is_component(component: &str) -> bool {
    let is_run = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut between = component.split(|c: char| c.is_ascii() && is_run(c as u8)).filter(|gap| !gap.is_empty());
    let edge = |b: Option<u8>| b.is_some_and(is_run);
    let bytes = component.as_bytes();
    edge(bytes.first().copied())
        && edge(bytes.last().copied())
        && between.all(|gap| matches!(gap, "." | "_" | "__") || gap.bytes().all(|b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= TAG_BYTES_MAX
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

fn layout(text: &str) -> Result<Reference, &'static str> {
    let (dir, tag) = match text.rsplit_once(':') {
        Some((dir, tag)) if !tag.contains('/') => (dir, Some(tag)),
        _ => (text, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err("has a tag that is not 1 to 128 letters, digits, and _ . - inside");
    }
    Ok(Reference::Layout { path: path(dir)?, tag: tag.map(str::to_owned) })
}

fn path(text: &str) -> Result<PathBuf, &'static str> {
    if text.is_empty() { Err("names no path") } else { Ok(PathBuf::from(text)) }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DockerArchive(file) => write!(f, "docker-archive:{}", file.display()),
            Self::Layout { path, tag: None } => write!(f, "oci:{}", path.display()),
            Self::Layout { path, tag: Some(tag) } => write!(f, "oci:{}:{tag}", path.display()),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let familiar = self.repository.strip_prefix(LIBRARY).filter(|rest| !rest.contains('/'));
        match (self.registry.as_str(), familiar) {
            // With its tag behind it, it would be taken for a place.
            (DOCKER_HUB, Some(name)) if PLACES.contains(&name) => write!(f, "{DOCKER_HUB}/{name}")?,
            (DOCKER_HUB, Some(name)) => f.write_str(name)?,
            // A first part that looks like a host would be taken for one.
            (DOCKER_HUB, None) if split(&self.repository).0 == DOCKER_HUB => f.write_str(&self.repository)?,
            (registry, _) => write!(f, "{registry}/{}", self.repository)?,
        }
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
