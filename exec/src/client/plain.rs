//! A program with our own streams: signals one way, its end the other.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::ask::{Asked, Failure};
use super::exit::Outcome;
use super::signals::Signals;
use super::sys;
use super::talk::Version;
use crate::packet::Tell;

/// Waits until the program has ended.
pub(super) fn wait(mut asked: Asked, signals: &Signals, version: Version) -> Outcome {
    loop {
        let mut ready = [PollFd::new(&asked, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
        match poll(&mut ready, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Outcome::Failed(Failure::Here { what: "wait", source: e.into() }),
        }
        let [news, signalled] = ready.map(|fd| !fd.revents().is_empty());
        if signalled {
            while let Some(signal) = signals.next() {
                asked.signal(signal);
                // A server of version 1 does not tell that the program has stopped.
                if signal == libc::SIGTSTP && matches!(version, Version::One(_)) {
                    sys::stop();
                }
            }
        }
        if news {
            match asked.hear() {
                Ok(Tell::Exited(ended)) => return Outcome::Ended(ended),
                // The shell that we were started from is to see us stopped. The signal that has us go
                // on is one that we pass on.
                Ok(Tell::State { stopped: Some(_) }) => sys::stop(),
                Ok(_) => {}
                Err(failure) => return Outcome::Failed(failure),
            }
        }
    }
}
