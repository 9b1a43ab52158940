//! A program with a terminal of its own, shown on ours.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::stdio::{stdin, stdout};
use rustix::termios::{SpecialCodeIndex, Winsize};

use super::ask::{Asked, Failure};
use super::exit::Outcome;
use super::raw::Raw;
use super::signals::Signals;
use super::sys;
use crate::packet::{Ended, Size, Tell};

/// Bytes that are passed on at a time.
const PIECE_BYTES: usize = 16 << 10;

/// How long the last of what an ended program printed may take to arrive. The kernel hangs its
/// terminal up when it ends, and that is the sign that all is there; it comes at once.
const LAST_WORDS_PATIENCE: Duration = Duration::from_secs(2);

/// Our terminal's size, or the usual one.
pub(super) fn size() -> Size {
    [stdout(), stdin()].into_iter().find_map(window).map_or_else(Size::default, |window| Size {
        rows: window.ws_row,
        columns: window.ws_col,
        x_pixels: window.ws_xpixel,
        y_pixels: window.ws_ypixel,
    })
}

fn window(terminal: BorrowedFd<'_>) -> Option<Winsize> {
    rustix::termios::tcgetwinsize(terminal).ok().filter(|window| window.ws_row > 0 && window.ws_col > 0)
}

/// Between our terminal and the program's.
struct Relay {
    asked: Asked,
    theirs: OwnedFd,
    raw: Raw,
    /// Read from ours, and not taken by theirs yet.
    keys: VecDeque<u8>,
    last_key: u8,
    input_ended: bool,
    output_ended: bool,
}

/// Waits until the program has ended, and is all the while its terminal.
pub(super) fn relay(mut asked: Asked, signals: &Signals) -> Outcome {
    let Some(theirs) = asked.terminal.take() else {
        let source = io::Error::from(io::ErrorKind::InvalidData);
        return Outcome::Failed(Failure::Here { what: "find the terminal that was asked for", source });
    };
    // Ours alone now: nobody shares it who could mind.
    let ready = rustix::io::ioctl_fionbio(&theirs, true);
    if let Err(e) = ready {
        return Outcome::Failed(Failure::Here { what: "use the program's terminal", source: e.into() });
    }
    let mut relay = Relay {
        asked,
        theirs,
        raw: Raw::enter(),
        keys: VecDeque::new(),
        last_key: b'\n',
        input_ended: false,
        output_ended: false,
    };
    relay.resize();
    match relay.run(signals) {
        Ok(ended) => Outcome::Ended(ended),
        Err(failure) => Outcome::Failed(failure),
    }
}

impl Relay {
    fn run(&mut self, signals: &Signals) -> Result<Ended, Failure> {
        loop {
            let wants_keys = !self.input_ended && self.keys.is_empty();
            let of = |wanted: bool, flags| if wanted { flags } else { PollFlags::empty() };
            let theirs = of(!self.output_ended, PollFlags::IN) | of(!self.keys.is_empty(), PollFlags::OUT);
            let mut ready = vec![PollFd::new(&self.asked, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
            let ours = stdin();
            // A terminal that was hung up would be ready all the time.
            let watches_theirs = !theirs.is_empty() && !self.output_ended;
            if watches_theirs {
                ready.push(PollFd::new(&self.theirs, theirs));
            }
            if wants_keys {
                ready.push(PollFd::new(&ours, PollFlags::IN));
            }
            match poll(&mut ready, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(e) => return Err(Failure::Here { what: "wait", source: e.into() }),
            }
            let happened: Vec<bool> = ready.iter().map(|fd| !fd.revents().is_empty()).collect();
            drop(ready);
            if happened[1] {
                while let Some(signal) = signals.next() {
                    self.heard(signal);
                }
            }
            if watches_theirs && happened[2] {
                self.show();
                self.press();
            }
            if wants_keys && happened.last() == Some(&true) {
                self.read_keys();
            }
            if happened[0]
                && let Tell::Exited(ended) = self.asked.hear()?
            {
                self.show_last_words();
                return Ok(ended);
            }
        }
    }

    fn heard(&mut self, signal: i32) {
        match signal {
            libc::SIGWINCH => self.resize(),
            libc::SIGTSTP => {
                self.raw.leave();
                sys::stop();
            }
            libc::SIGCONT => {
                self.raw.again();
                self.resize();
            }
            signal => self.asked.signal(signal),
        }
    }

    /// Their terminal is as large as ours; the kernel tells the program.
    fn resize(&self) {
        if let Some(window) = [stdout(), stdin()].into_iter().find_map(window) {
            let _ = rustix::termios::tcsetwinsize(&self.theirs, window);
        }
    }

    fn read_keys(&mut self) {
        let mut piece = [0; PIECE_BYTES];
        match rustix::io::read(stdin(), &mut piece) {
            Ok(0) => {
                self.input_ended = true;
                self.say_end();
            }
            Ok(read) => {
                self.keys.extend(&piece[..read]);
                self.last_key = piece[read - 1];
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => self.input_ended = true,
        }
        self.press();
    }

    /// The character that means the end of input on their terminal; after part of a line it takes one
    /// to end the part and another to end the input.
    fn say_end(&mut self) {
        let code = rustix::termios::tcgetattr(&self.theirs).map(|how| how.special_codes[SpecialCodeIndex::VEOF]);
        let end = code.ok().filter(|code| *code != 0).unwrap_or(END_OF_TRANSMISSION);
        if self.last_key != b'\n' {
            self.keys.push_back(end);
        }
        self.keys.push_back(end);
    }

    fn press(&mut self) {
        while !self.keys.is_empty() {
            let (piece, _) = self.keys.as_slices();
            match rustix::io::write(&self.theirs, piece) {
                Ok(written) => drop(self.keys.drain(..written)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.keys.clear(),
            }
        }
    }

    /// Shows what there is; nothing more will come once their terminal was hung up.
    fn show(&mut self) {
        let mut piece = [0; PIECE_BYTES];
        match rustix::io::read(&self.theirs, &mut piece) {
            Ok(0) => self.output_ended = true,
            Ok(read) => write_all(&piece[..read]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => self.output_ended = true,
        }
    }

    fn show_last_words(&mut self) {
        let until = Instant::now() + LAST_WORDS_PATIENCE;
        while !self.output_ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            let _ = poll(&mut [PollFd::new(&self.theirs, PollFlags::IN)], Some(&left));
            self.show();
        }
    }
}

/// ^D.
const END_OF_TRANSMISSION: u8 = 4;

/// If our own output is gone, what the program prints has nowhere to go, and its end is still to be
/// waited for.
fn write_all(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(stdout(), bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => drop(poll(&mut [PollFd::from_borrowed_fd(stdout(), PollFlags::OUT)], None)),
            Err(_) => return,
        }
    }
}

impl AsFd for Relay {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.theirs.as_fd()
    }
}
