//! Who may call: tokens, what their roles may do, and the look at them that each request takes.
//!
//! Read in this order:
//!
//! * [`Role`] and [`Grant`]: what somebody may do.
//! * [`Need`]: what something takes. Which path takes what is the front's to say, and for the paths
//!   of the API the API's, each in one exhaustive table.
//! * [`token`]: how a token is made and read.
//! * [`Access`]: the tokens that are good now, and the look at them.
//! * [`Denied`]: why somebody may not, and how that is told.
//!
//! A token is 256 random bits. It is shown once, when it is made, and kept as its SHA-256 alone: a
//! hash that is slow on purpose is for secrets that people choose, which can be guessed; these
//! cannot. It carries its id in plain sight, by which it is found; what is then compared, in
//! constant time, are hashes. So neither the time of an answer nor a look into the store gives away
//! anything that could be used.
//!
//! Tokens are kept in the store. No request asks that: the node's mirror keeps [`Access`] as the
//! store says, as it keeps functions, so a token that was revoked is refused at once on the node
//! that revoked it and within a second on the others. While the store is away, what was good before
//! is good on. A connection remembers the last token it was shown, so that a caller who keeps one
//! is not hashed for each call.
//!
//! Absent on purpose: users, sessions and passwords; rights finer than a role in an app; and any
//! look at the peer's address. A unix socket counts as an address of this machine: a proxy may be behind it that
//! lets in everybody, so it is no way around tokens where they are asked for.

mod denied;
mod gate;
mod need;
mod role;
#[cfg(test)]
mod tests;
pub mod token;

pub use denied::Denied;
pub use gate::{Access, Caller, Shown};
pub use need::Need;
pub use role::{Grant, Role, UnknownRole};
pub use token::Token;

/// Are tokens asked for?
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tokens {
    /// Needed for everything but triggers, which whoever reaches the node may call.
    ExceptTriggers,
    /// Whoever reaches the node may do anything.
    Off,
    /// Without one almost nothing is answered.
    Required,
}

impl Tokens {
    /// As it is written in a config.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ExceptTriggers => "except-triggers",
            Self::Off => "off",
            Self::Required => "required",
        }
    }
}

impl std::str::FromStr for Tokens {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let known =
            [Self::Required, Self::ExceptTriggers, Self::Off].into_iter().find(|tokens| tokens.as_str() == word);
        known.ok_or_else(|| format!("{word:?} is none of required, except-triggers, off"))
    }
}
