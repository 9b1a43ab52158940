//! Why somebody may not, and how that is told.

use http::StatusCode;

use super::Role;

/// Why somebody may not.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Denied {
    /// The token is for other apps.
    #[error("Not allowed: the token {token:?} is not for the app {app:?}")]
    App {
        /// What the token is called.
        token: String,
        /// The app that it would have to be for.
        app: String,
    },
    /// The token is for some apps, and this is the whole node's.
    #[error("Not allowed: the token {token:?} is for some apps, and this takes one for the whole node")]
    Node {
        /// What the token is called.
        token: String,
    },
    /// The token's role is too small.
    #[error("Not allowed: the token {token:?} has the role {has}, and this takes {needed}")]
    Role {
        /// What the token is called.
        token: String,
        /// The role it has.
        has: Role,
        /// The role it would have to have.
        needed: Role,
    },
    /// There was no token.
    #[error("Token missing: send one as Authorization: Bearer TOKEN; hotfn token create makes them on the node")]
    Missing,
    /// The token is none of ours.
    #[error("Token not known: it was never made for this node, or was revoked")]
    Unknown,
}

impl Denied {
    /// 401 where another or a better token would do, 403 where this one is not for this.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Missing | Self::Unknown => StatusCode::UNAUTHORIZED,
            Self::App { .. } | Self::Node { .. } | Self::Role { .. } => StatusCode::FORBIDDEN,
        }
    }

    /// The value of `WWW-Authenticate`, in the words of RFC 6750.
    #[must_use]
    pub fn challenge(&self) -> &'static str {
        match self {
            Self::App { .. } | Self::Node { .. } | Self::Role { .. } => {
                "Bearer realm=\"hotfn\", error=\"insufficient_scope\""
            }
            Self::Missing => "Bearer realm=\"hotfn\"",
            Self::Unknown => "Bearer realm=\"hotfn\", error=\"invalid_token\"",
        }
    }
}
