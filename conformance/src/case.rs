//! A case: one sentence of the contract, and how to find out whether somebody keeps it.

use std::fmt;

use serde::Serialize;

use crate::check::{Run, Stop};

/// How much a sentence of the contract binds.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A real peer breaks if it does not hold.
    Must,
    /// A user notices if it does not hold.
    Should,
    /// Better than most peers are: told, never counted against anybody.
    Better,
}

impl Level {
    /// As a column shows it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::Better => "BETTER",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What there is to know of a case without running it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Case {
    /// Its number, which never changes and is never given again.
    pub number: u16,
    /// How much it binds.
    pub level: Level,
    /// What is tried, in a line.
    pub title: &'static str,
    /// What the contract says.
    pub clause: &'static str,
}

/// Whom a case can share the machine with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pace {
    /// Nobody: it measures time.
    Alone,
    /// Others at work.
    Shared,
    /// Anybody: it mostly waits, and takes no worker from those who work.
    Waits,
}

/// What a subject must have for a case to be run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Needs {
    /// It runs images, and there is one of the witness.
    Images,
    /// Eyes in it: no case from outside can tell, for this reason.
    Insight(&'static str),
    /// Nothing but that it runs.
    Nothing,
    /// It is started by the harness, with settings as the case needs them.
    Own,
    /// Both that and images.
    OwnImages,
}

impl Needs {
    pub(crate) fn images(self) -> bool {
        matches!(self, Self::Images | Self::OwnImages)
    }

    pub(crate) fn own(self) -> bool {
        matches!(self, Self::Own | Self::OwnImages)
    }
}

/// A case and the way to run it on a stage of kind `S`.
pub(crate) struct Entry<S: ?Sized> {
    pub(crate) case: Case,
    pub(crate) pace: Pace,
    pub(crate) needs: Needs,
    pub(crate) run: fn(&S) -> Run,
}

impl<S: ?Sized> Entry<S> {
    pub(crate) const fn must(number: u16, title: &'static str, clause: &'static str, run: fn(&S) -> Run) -> Self {
        Self::of(Case { number, level: Level::Must, title, clause }, run)
    }

    pub(crate) const fn should(number: u16, title: &'static str, clause: &'static str, run: fn(&S) -> Run) -> Self {
        Self::of(Case { number, level: Level::Should, title, clause }, run)
    }

    pub(crate) const fn better(number: u16, title: &'static str, clause: &'static str, run: fn(&S) -> Run) -> Self {
        Self::of(Case { number, level: Level::Better, title, clause }, run)
    }

    /// A sentence that nobody outside can see kept or broken, and why.
    pub(crate) const fn unseen(number: u16, title: &'static str, clause: &'static str, why: &'static str) -> Self {
        let case = Case { number, level: Level::Must, title, clause };
        Self { needs: Needs::Insight(why), ..Self::of(case, |_| Err(Stop::untold("nobody outside can tell"))) }
    }

    const fn of(case: Case, run: fn(&S) -> Run) -> Self {
        Self { case, pace: Pace::Shared, needs: Needs::Nothing, run }
    }

    pub(crate) const fn needs(self, needs: Needs) -> Self {
        Self { needs, ..self }
    }

    pub(crate) const fn alone(self) -> Self {
        Self { pace: Pace::Alone, ..self }
    }

    pub(crate) const fn waits(self) -> Self {
        Self { pace: Pace::Waits, ..self }
    }
}
