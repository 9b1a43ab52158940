//! Our own terminal while it shows the program's: raw, and afterwards as it was, whatever happens.
//!
//! A guard restores it when it is dropped. A panic restores it before anything else, by a hook: what
//! tells of it would be printed on a raw terminal otherwise, and a program that is built to abort
//! drops nothing.

use std::panic;

use rustix::io::Errno;
use rustix::stdio::stdin;
use rustix::termios::{OptionalActions, Termios};

/// Keys go to the program as they are pressed, until this is dropped or we panic.
#[derive(Debug)]
pub(super) struct Raw {
    before: Option<Termios>,
}

impl Raw {
    /// Where our input is no terminal there is nothing to do. From the background this stops us, as it
    /// should.
    pub(super) fn enter() -> Self {
        let before = rustix::termios::tcgetattr(stdin()).ok();
        if let Some(before) = before.clone() {
            let next = panic::take_hook();
            panic::set_hook(Box::new(move |about| {
                set(&before);
                next(about);
            }));
        }
        let raw = Self { before };
        raw.again();
        raw
    }

    /// Raw again, after [`leave`](Self::leave).
    pub(super) fn again(&self) {
        if let Some(before) = &self.before {
            let mut raw = before.clone();
            raw.make_raw();
            set(&raw);
        }
    }

    /// As it was, for a while.
    pub(super) fn leave(&self) {
        if let Some(before) = &self.before {
            set(before);
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A terminal that is gone has no state to be in.
fn set(termios: &Termios) {
    while rustix::termios::tcsetattr(stdin(), OptionalActions::Now, termios) == Err(Errno::INTR) {}
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use rustix::pty::OpenptFlags;
    use rustix::termios::{LocalModes, tcgetattr};

    use super::*;

    /// How the client below ends if all went as it is to.
    const PANICKED: i32 = 3;

    /// Case 20, the panic: the terminal is restored before it is told, by a program that aborts, too.
    #[test]
    fn case_20_a_panic_restores_the_terminal_before_anything_else() {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = rustix::pty::openpt(flags).unwrap();
        rustix::pty::unlockpt(&ours).unwrap();
        let theirs = rustix::pty::ioctl_tiocgptpeer(&ours, flags).unwrap();
        let modes = || tcgetattr(&theirs).unwrap().local_modes;
        let before = modes();
        assert!(before.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG));
        let mut client = Command::new(std::env::current_exe().unwrap());
        client.args(["--exact", "client::raw::tests::not_a_test_but_a_client_that_panics", "--nocapture"]);
        client.env("HOTFN_EXEC_TEST_PANICS", "1").stdin(theirs.try_clone().unwrap()).stdout(Stdio::null());
        assert_eq!(client.status().unwrap().code(), Some(PANICKED));
        assert_eq!(modes(), before);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "what an abort leaves undone is the point")]
    fn not_a_test_but_a_client_that_panics() {
        if std::env::var_os("HOTFN_EXEC_TEST_PANICS").is_none() {
            return;
        }
        // As where a panic aborts: nothing is unwound, nothing dropped.
        panic::set_hook(Box::new(|_| std::process::exit(PANICKED)));
        let _raw = Raw::enter();
        assert!(!tcgetattr(stdin()).unwrap().local_modes.contains(LocalModes::ICANON), "keys are not passed on");
        panic!("as a bug would");
    }
}
