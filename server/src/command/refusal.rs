//! A request that is not followed: which reason, which words, and when to come back.

use http::StatusCode;

use hotfn_protocols::CallId;

/// Why a request is not followed. The name is a part of the contract; the status follows from it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Reason {
    /// The body is not what it should be.
    BadRequest,
    /// The command could not be started, and the request is why.
    CannotStart,
    /// The timestamp is outside the window.
    Expired,
    /// The policy, or the caller's address, says no.
    Forbidden,
    /// Our fault.
    Internal,
    /// The path is right, the method is not.
    MethodNotAllowed,
    /// No such path, or no such job.
    NotFound,
    /// The nonce was used before.
    Replayed,
    /// The body did not come in time.
    Timeout,
    /// The body is longer than it may be.
    TooLarge,
    /// A bound is reached.
    TooMany,
    /// The signature, or something it needs, is missing, malformed or wrong.
    Unauthorized,
    /// Not now.
    Unavailable,
}

/// A request that is not followed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    pub(super) message: String,
    /// In s.
    pub(super) retry_after: Option<u64>,
    /// The methods that would have been right.
    pub(super) allow: Option<&'static str>,
    /// The job that goes on without its caller.
    pub(super) job: Option<CallId>,
}

impl Reason {
    /// The status of its answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::CannotStart => StatusCode::BAD_REQUEST,
            Self::Expired | Self::Replayed | Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Its name in the answer.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::BadRequest => "BadRequest",
            Self::CannotStart => "CannotStart",
            Self::Expired => "Expired",
            Self::Forbidden => "Forbidden",
            Self::Internal => "Internal",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::NotFound => "NotFound",
            Self::Replayed => "Replayed",
            Self::Timeout => "Timeout",
            Self::TooLarge => "TooLarge",
            Self::TooMany => "TooMany",
            Self::Unauthorized => "Unauthorized",
            Self::Unavailable => "Unavailable",
        }
    }
}

impl Refusal {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), retry_after: None, allow: None, job: None }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(Reason::BadRequest, message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(Reason::Forbidden, message)
    }

    pub(super) fn too_many(message: impl Into<String>, retry_after: u64) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(Reason::TooMany, message) }
    }
}
