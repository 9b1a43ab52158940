//! Why a request was not followed, and which status that is.

use http::{Method, StatusCode};

use crate::access::Denied;
use crate::store;

/// Why a request was not followed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// What the answer's status is to be.
    pub status: StatusCode,
    /// A sentence for whoever sent the request.
    pub message: String,
    /// The methods that would have been right, where the method was wrong.
    pub allow: Option<String>,
    /// What a token would have to be, where there was none that would do.
    pub challenge: Option<&'static str>,
}

impl Problem {
    /// The request itself is wrong: 400.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The request is in the way of something that is there: 409.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), allow: None, challenge: None }
    }

    pub(super) fn unknown_path(method: &Method, path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("Path not found: {method} {path}"))
    }

    pub(super) fn wrong_method(method: &Method, path: &str, allow: String) -> Self {
        let message = format!("Method not allowed: {method} {path}");
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, message) }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        Self { challenge: Some(denied.challenge()), ..Self::new(denied.status(), denied.to_string()) }
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        use store::Error;
        let status = match &error {
            Error::AppUnknown { .. }
            | Error::CallUnknown { .. }
            | Error::FunctionUnknown { .. }
            | Error::TokenUnknown { .. }
            | Error::TriggerUnknown { .. } => StatusCode::NOT_FOUND,
            Error::AppExists { .. }
            | Error::CallNotDead { .. }
            | Error::FunctionExists { .. }
            | Error::FunctionMoved { .. }
            | Error::SourceTaken { .. }
            | Error::TooManyTokens { .. }
            | Error::TriggerExists { .. } => StatusCode::CONFLICT,
            Error::FunctionElsewhere { .. } => StatusCode::BAD_REQUEST,
            // Fn's status for a user whose capacity is used up.
            Error::TooManyApps { .. } | Error::TooManyFunctions { .. } | Error::TooManyTriggers { .. } => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Error::Database(_) | Error::Document(_) => {
                tracing::error!("{:#}", anyhow::Error::from(error));
                let message = "Internal server error: the store cannot be used; the node's log says why";
                return Self::new(StatusCode::INTERNAL_SERVER_ERROR, message);
            }
        };
        Self::new(status, capitalised(&error.to_string()))
    }
}

/// A sentence as Fn's are written.
fn capitalised(sentence: &str) -> String {
    let mut rest = sentence.chars();
    rest.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(rest).collect()
}
