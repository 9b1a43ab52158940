//! What a caller's own end says of the program's.

use std::process::ExitCode;

use super::ask::Failure;
use super::sys;
use crate::packet::{Class, Ended, How};

/// Wrong usage.
pub(super) const USAGE: u8 = 2;
/// The program took too long.
const TIMED_OUT: u8 = 124;
/// Everything that is the socket's or the server's doing.
const OURS: u8 = 125;
/// It is there and cannot be run, or not in that directory.
const NOT_EXECUTABLE: u8 = 126;
/// There is no such program.
const NOT_FOUND: u8 = 127;
/// What 1.2.0 of Sidecar says for all of the above, and the number beyond which signals are told.
const SIGNALLED: u8 = 128;

/// How it went.
#[derive(Debug)]
pub enum Outcome {
    /// The program has run.
    Ended(Ended),
    /// It has not, or nobody knows how it ended.
    Failed(Failure),
}

impl Outcome {
    /// The caller's exit code; with `mirror` it may not return, but die of the program's own signal.
    /// `compat` is for those who know the codes of Sidecar 1.2.0.
    #[must_use]
    pub fn code(&self, compat: bool, mirror: bool) -> ExitCode {
        let code = match self {
            Self::Ended(Ended { how: How::Code, value, .. }) => (value & 0xff).to_le_bytes()[0],
            Self::Ended(Ended { how: How::TimedOut, .. }) if !compat => TIMED_OUT,
            Self::Ended(Ended { value, .. }) => {
                if mirror {
                    sys::die_of(*value);
                }
                SIGNALLED.saturating_add(value.to_le_bytes()[0])
            }
            Self::Failed(_) if compat => SIGNALLED,
            Self::Failed(Failure::Refused { class, .. }) => match class {
                Class::NotFound => NOT_FOUND,
                Class::Directory | Class::NotExecutable => NOT_EXECUTABLE,
                Class::BadRequest | Class::Busy | Class::Internal | Class::Policy | Class::TooLarge => OURS,
            },
            Self::Failed(_) => OURS,
        };
        ExitCode::from(code)
    }
}

/// The code for a failure that is told apart from nothing else.
pub(super) fn ours(compat: bool) -> ExitCode {
    ExitCode::from(if compat { SIGNALLED } else { OURS })
}
