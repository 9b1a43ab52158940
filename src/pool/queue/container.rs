//! A container, as its queue knows it.

use std::time::Instant;

use crate::pool::event::Ticket;
use crate::pool::rules::{Need, Rules};

/// A container of a function's.
#[derive(Debug)]
pub(super) struct Container<C> {
    pub(super) phase: Phase<C>,
    pub(super) need: Need,
    pub(super) busy: u32,
    pub(super) given: u64,
    pub(super) born: Instant,
    pub(super) idle_since: Instant,
    /// Takes no more calls; goes when those it has are done.
    pub(super) retiring: bool,
}

/// How far its life has come.
#[derive(Debug)]
pub(super) enum Phase<C> {
    Leaving,
    Starting {
        ticket: Option<Ticket>,
    },
    /// `None`: a cold call's own.
    Up {
        handle: Option<C>,
        frozen: bool,
    },
}

impl<C> Container<C> {
    /// May it be ended without anybody's notice?
    pub(super) fn is_idle(&self) -> bool {
        self.busy == 0 && matches!(self.phase, Phase::Up { .. })
    }

    pub(super) fn takes_calls(&self) -> bool {
        !self.retiring && matches!(self.phase, Phase::Up { .. })
    }
    /// Has it reached the age at which it is replaced?
    pub(super) fn is_worn(&self, rules: &Rules, now: Instant) -> bool {
        rules.max_age.is_some_and(|max| now.saturating_duration_since(self.born) >= max)
    }
}
