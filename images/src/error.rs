//! Why an image cannot be had.

use std::io;
use std::sync::Arc;
use std::time::Duration;

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
    #[error("image {reference}: registry {registry} {why} (attempt {attempts})")]
    Broken {
        /// The image.
        reference: String,
        /// The registry.
        registry: String,
        /// What happened.
        why: String,
        /// How often it was tried.
        attempts: u32,
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

    #[expect(dead_code, reason = "the store, which makes them, comes with the next commit")]
    pub(crate) fn os(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Os { what: what.into(), source: Arc::new(source.into()) }
    }
}

/// Does a status of a registry's say "not now" rather than "no"?
pub(crate) fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 429) || status >= 500
}
