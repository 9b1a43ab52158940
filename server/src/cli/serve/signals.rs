//! What a node can be told by signals.

use std::io::{self, IsTerminal as _};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::super::signals;
use crate::log;

/// The signals that a node hears.
pub(super) struct Signals {
    end: signals::Signals,
    log: Signal,
    /// Unless we are deaf to it.
    hangup: Option<Signal>,
    has_certificates: bool,
    /// We were started at a terminal.
    had_terminal: bool,
    successor: Signal,
}

/// What one of them means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wish {
    /// Drain, and end.
    End,
    /// Log more, or as before.
    Log,
    /// Read certificates again.
    Reload,
    /// Start a process that takes over.
    Successor,
}

impl Signals {
    /// From now on these signals end nothing by themselves. `has_certificates`: some could be read again. Whoever
    /// has started us deaf to HUP, as `nohup` does, wants us to stay so.
    pub(super) fn new(has_certificates: bool) -> io::Result<Self> {
        let is_deaf = hotfn_exec::is_ignored(hotfn_exec::Signal::HUP);
        let hangup = if is_deaf { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self {
            end: signals::Signals::new()?,
            log: signal(SignalKind::user_defined1())?,
            hangup,
            has_certificates,
            had_terminal: has_terminal(),
            successor: signal(SignalKind::user_defined2())?,
        })
    }

    /// The next one. Cancel safe.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            () = self.end.next() => Wish::End,
            _ = self.log.recv() => Wish::Log,
            () = heard(&mut self.hangup) => self.hung_up(),
            _ = self.successor.recv() => Wish::Successor,
        }
    }

    fn hung_up(&mut self) -> Wish {
        let wish = hangup(self.had_terminal, has_terminal(), self.has_certificates);
        if wish == Wish::End {
            // A terminal that is closed says so more than once, by the system and by the shell; the second time
            // is no hurry.
            self.hangup = None;
        }
        wish
    }

    /// Resolves when the end is wished for; what is said of the log is done meanwhile. Cancel safe.
    pub(super) async fn asked_to_end(&mut self) {
        loop {
            match self.next().await {
                Wish::End => return,
                Wish::Log => log::toggle_level(),
                // Who is ending needs no new one.
                Wish::Reload => {}
                Wish::Successor => tracing::warn!("this is no time for a successor; try again when this node is ready"),
            }
        }
    }

    /// Waits for `work`; `None` if the end is wished for first.
    pub(super) async fn until<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.asked_to_end() => None,
        }
    }
}

/// What a HUP means. To a service it is the usual word for "read your files again". It also comes when a terminal is
/// closed, or whoever works there logs out, and then what was started there is to end, as everything else there
/// does. Where there is nothing to be read again, a HUP from a terminal's user can mean nothing but the end either.
fn hangup(had_terminal: bool, has_terminal: bool, has_certificates: bool) -> Wish {
    let is_service = !had_terminal;
    if is_service || has_terminal && has_certificates { Wish::Reload } else { Wish::End }
}

/// A terminal that was closed is none any more: the system answers no question about it.
fn has_terminal() -> bool {
    io::stdin().is_terminal() || io::stderr().is_terminal()
}

async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hangup_ends_what_has_lost_its_terminal_and_reloads_a_service() {
        let check = |had: bool, has: bool, certificates: bool, expected: Wish| {
            assert_eq!(hangup(had, has, certificates), expected, "had {had}, has {has}, certificates {certificates}");
        };
        for certificates in [true, false] {
            check(false, false, certificates, Wish::Reload);
            check(true, false, certificates, Wish::End);
        }
        check(true, true, true, Wish::Reload);
        check(true, true, false, Wish::End);
    }
}
