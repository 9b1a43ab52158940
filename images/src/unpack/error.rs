//! Why a layer was not unpacked.

use std::io;

/// Why a layer was not unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    /// The bytes are no archive, or stop being one.
    #[error("is no sound archive: {0}")]
    Archive(io::Error),
    /// Over this bound of [`Limits`](crate::Limits).
    #[error("is over the bound {0}")]
    Bound(&'static str),
    /// A member that is not for us to unpack.
    #[error("has a member {path:?} that {why}")]
    Member {
        /// Its path.
        path: String,
        /// What is the matter with it.
        why: &'static str,
    },
    /// The operating system refused.
    #[error("{what}: {source}")]
    Os {
        /// What was tried.
        what: String,
        /// Its answer.
        source: io::Error,
    },
}

impl UnpackError {
    pub(super) fn member(path: &[u8], why: &'static str) -> Self {
        /// A hostile path may be long; its beginning says which it is.
        const CHARS_MAX: usize = 200;
        Self::Member { path: String::from_utf8_lossy(path).chars().take(CHARS_MAX).collect(), why }
    }

    pub(super) fn os(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Os { what: what.into(), source: source.into() }
    }
}
