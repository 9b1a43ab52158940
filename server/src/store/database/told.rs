//! What others write, told as they write it.
//!
//! A node that shares its store has to hear of what other processes write. It could ask twice a second, and does
//! where nobody tells; but an idle node should sleep. So each kind of database has somebody who tells: Postgres
//! itself, the kernel for a file of SQLite's, and for a store in memory there is nobody else to hear of.
//!
//! Being told is never relied upon alone. Who tells also says whether it is to be believed just now: a listener is
//! not while it has no connection, nor before it has heard a word. Then the asking is as frequent as if nobody told.

use std::time::Duration;

use tokio::sync::watch;

/// How often to look where nobody tells.
const LOOK_UNTOLD: Duration = Duration::from_millis(500);
/// How often where somebody does, in case a word was lost.
const LOOK_TOLD: Duration = Duration::from_secs(30);

/// What may have been written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Topic {
    /// A call that any node may take.
    Calls,
    /// Apps, functions, triggers and tokens.
    Definitions,
}

/// Tells when somebody may have written.
#[derive(Debug)]
pub struct Told(watch::Receiver<Word>);

/// The one who tells.
#[derive(Debug)]
pub(super) struct Teller {
    calls: watch::Sender<Word>,
    definitions: watch::Sender<Word>,
}

/// Will there be a word of all that is written from now on?
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Word {
    Given,
    NotGiven,
}

impl Told {
    /// There is nobody else who could write.
    pub(super) fn alone() -> Self {
        Self(watch::Sender::new(Word::Given).subscribe())
    }

    /// Resolves when somebody may have written since it last did, or the time between two looks changes; never,
    /// where nobody else writes. Cancel safe: what was told meanwhile is told the next time.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// How long at most to wait for a word before looking without one.
    #[must_use]
    pub fn look_within(&self) -> Duration {
        match *self.0.borrow() {
            Word::Given => LOOK_TOLD,
            Word::NotGiven => LOOK_UNTOLD,
        }
    }
}

impl Teller {
    /// Who is not to be believed yet.
    pub(super) fn new() -> Self {
        Self { calls: watch::Sender::new(Word::NotGiven), definitions: watch::Sender::new(Word::NotGiven) }
    }

    pub(super) fn told(&self, topic: Topic) -> Told {
        Told(self.of(topic).subscribe())
    }

    /// Somebody may have written, and there will be a word when it happens again.
    pub(super) fn tell(&self, topic: Topic) {
        self.of(topic).send_replace(Word::Given);
    }

    /// The same of everything.
    pub(super) fn tell_all(&self) {
        self.tell(Topic::Calls);
        self.tell(Topic::Definitions);
    }

    /// From now on it may be that nothing is told.
    pub(super) fn stop(&self) {
        self.calls.send_replace(Word::NotGiven);
        self.definitions.send_replace(Word::NotGiven);
    }

    fn of(&self, topic: Topic) -> &watch::Sender<Word> {
        match topic {
            Topic::Calls => &self.calls,
            Topic::Definitions => &self.definitions,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_word_is_for_its_topic_and_waits_for_who_listens() {
        let teller = Teller::new();
        let (mut calls, mut definitions) = (teller.told(Topic::Calls), teller.told(Topic::Definitions));
        teller.tell(Topic::Calls);
        teller.tell(Topic::Calls);
        assert_eq!(calls.next().now_or_never(), Some(()));
        assert_eq!(calls.next().now_or_never(), None, "many words are one reason to look");
        assert_eq!(definitions.next().now_or_never(), None);
    }

    #[test]
    fn who_is_not_told_looks_often() {
        let teller = Teller::new();
        let mut told = teller.told(Topic::Definitions);
        assert_eq!(told.look_within(), LOOK_UNTOLD);
        teller.tell_all();
        assert_eq!((told.next().now_or_never(), told.look_within()), (Some(()), LOOK_TOLD));
        teller.stop();
        assert_eq!((told.next().now_or_never(), told.look_within()), (Some(()), LOOK_UNTOLD));
        drop(teller);
        assert_eq!(told.next().now_or_never(), None);
    }

    #[test]
    fn alone_there_is_nothing_to_hear() {
        let mut told = Told::alone();
        assert_eq!((told.next().now_or_never(), told.look_within()), (None, LOOK_TOLD));
    }
}
