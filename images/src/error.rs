//! Why an image cannot be had.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::unpack::UnpackError;
use crate::{Digest, Reference};

/// Why an image cannot be had. Cheap to clone: everybody who waited for the same pull gets it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ImageError {
    /// It is not where it was said to be, and there is nowhere else to look.
    #[error("image {reference} is not here: {why}")]
    Absent {
        /// The image.
        reference: String,
        /// Where was looked.
        why: String,
    },
    /// The registry could not be reached, or broke off, as often as we were to try.
    #[error("image {reference}: registry {registry}: {why}")]
    Broken {
        /// The image.
        reference: String,
        /// The registry.
        registry: String,
        /// What happened, and how often.
        why: String,
    },
    /// What was found is no image that can be used: bytes other than promised, over a bound, or hostile.
    #[error("image {reference} cannot be used: {why}")]
    Invalid {
        /// The image.
        reference: String,
        /// What is the matter with it.
        why: String,
    },
    /// The operating system refused.
    #[error("{what}")]
    Os {
        /// What was tried.
        what: String,
        /// Its answer.
        #[source]
        source: Arc<io::Error>,
    },
    /// The registry said no.
    #[error("image {reference}: registry {registry} answered {status}: {why}")]
    Refused {
        /// The image.
        reference: String,
        /// The registry.
        registry: String,
        /// The HTTP status of its answer.
        status: u16,
        /// Its words.
        why: String,
    },
    /// It took longer than it may. What was fetched until then is kept.
    #[error("image {reference} was not fetched within {after:?}; what was fetched is kept for the next try")]
    TimedOut {
        /// The image.
        reference: String,
        /// How long it may take.
        after: Duration,
    },
}

/// Whose fault it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blame {
    /// This host's: its disk, its rights.
    Host,
    /// The image's, or of the one who named it.
    Image,
    /// The registry's, or of the network on the way there.
    Registry,
}

impl ImageError {
    /// Whose fault it was.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Absent { .. } | Self::Invalid { .. } => Blame::Image,
            Self::Refused { status, .. } if (400..500).contains(status) && !may_pass(*status) => Blame::Image,
            Self::Broken { .. } | Self::Refused { .. } | Self::TimedOut { .. } => Blame::Registry,
            Self::Os { .. } => Blame::Host,
        }
    }

    /// Whether the same again may go well without anybody changing anything.
    #[must_use]
    pub fn retry_helps(&self) -> bool {
        self.blame() == Blame::Registry
    }
}

/// Does a status of a registry's say "not now" rather than "no"?
pub(crate) fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 429) || status >= 500
}

/// Why an image cannot be had, said by those who do not know which image it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// It is not there.
    #[error("{0}")]
    Absent(String),
    /// It is no image that can be used.
    #[error("{0}")]
    Invalid(String),
    /// The operating system refused.
    #[error("{what}: {source}")]
    Os {
        /// What was tried.
        what: String,
        /// Its answer.
        source: io::Error,
    },
    /// The registry said no.
    #[cfg(feature = "registry")]
    #[error("status {0}: {1}")]
    Refused(u16, String),
    /// Whoever sends it failed in a way that may pass.
    #[error("{0}")]
    Transient(String),
}

impl Trouble {
    pub(crate) fn os(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Os { what: what.into(), source: source.into() }
    }

    /// Whether the same again may go well.
    #[cfg(feature = "registry")]
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Refused(status, _) => may_pass(*status),
            Self::Transient(_) => true,
            Self::Absent(_) | Self::Invalid(_) | Self::Os { .. } => false,
        }
    }

    /// Where no image is meant but the whole store.
    pub(crate) fn host(self) -> ImageError {
        let (what, source) = match self {
            Self::Os { what, source } => (what, source),
            other => ("the store of images cannot be used".to_owned(), io::Error::other(other)),
        };
        ImageError::Os { what, source: Arc::new(source) }
    }

    /// With the image's name, and where it was to come from.
    pub(crate) fn about(self, reference: &Reference) -> ImageError {
        let registry = match reference {
            Reference::Remote(remote) => remote.registry().to_owned(),
            other => other.to_string(),
        };
        self.named(reference.to_string(), registry)
    }

    /// With the digest of an image that is here already.
    pub(crate) fn about_digest(self, digest: Digest) -> ImageError {
        self.named(digest.to_string(), "none".to_owned())
    }

    fn named(self, reference: String, registry: String) -> ImageError {
        match self {
            Self::Absent(why) => ImageError::Absent { reference, why },
            Self::Invalid(why) => ImageError::Invalid { reference, why },
            Self::Os { what, source } => ImageError::Os { what, source: Arc::new(source) },
            #[cfg(feature = "registry")]
            Self::Refused(status, why) => ImageError::Refused { reference, registry, status, why },
            Self::Transient(why) => ImageError::Broken { reference, registry, why },
        }
    }
}

impl From<UnpackError> for Trouble {
    fn from(error: UnpackError) -> Self {
        match error {
            UnpackError::Os { what, source } => Self::Os { what, source },
            other => Self::Invalid(format!("a layer {other}")),
        }
    }
}
