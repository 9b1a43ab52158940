//! How a case ends before its end: the contract is broken, or this machine cannot tell.

/// What a case comes to.
pub(crate) type Run<T = ()> = Result<T, Stop>;

/// Why a case went no further.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Stop {
    /// The contract is broken: a sentence that a person can act on.
    Broken(String),
    /// This machine, or this subject, cannot tell: the reason.
    Untold(String),
}

impl Stop {
    pub(crate) fn broken(why: impl Into<String>) -> Self {
        Self::Broken(why.into())
    }

    pub(crate) fn untold(why: impl Into<String>) -> Self {
        Self::Untold(why.into())
    }
}

/// Goes on if `$holds`, else the contract is broken, and the rest says how.
macro_rules! holds {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err($crate::check::Stop::Broken(format!($($why)+)));
        }
    };
}
pub(crate) use holds;

/// The harness itself could not do its part, as when a folder cannot be made.
pub(crate) fn ours<T, E: std::fmt::Display>(done: Result<T, E>, what: &str) -> Run<T> {
    done.map_err(|e| Stop::untold(format!("cannot {what}: {e}")))
}
