//! Asking for a program, up to the server's answer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use hotfn_socket::{Packets, connect_packets, connect_packets_within};

use super::talk::{Talk, Version};
use crate::packet::{Class, Invalid, PACKET_BYTES_MAX, Request, Signal, Tell};

/// A program that was asked for and started.
#[derive(Debug)]
pub struct Asked {
    packets: Packets,
    talk: Talk,
    /// Our end of its terminal, if it has one.
    pub terminal: Option<OwnedFd>,
}

/// Why a program did not run, or nobody knows how it ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Nobody listens there, or we may not talk to them.
    #[error("cannot connect: {0}; is a server there?")]
    Connect(#[source] io::Error),
    /// The server says something that makes no sense.
    #[error("the server does not keep to the protocol: {0}")]
    Protocol(#[from] Invalid),
    /// The server said no.
    #[error("{message}{}", said(*.class))]
    Refused {
        /// What kind of reason.
        class: Class,
        /// The reason.
        message: String,
    },
    /// The server went away before the program's end.
    #[error("the server went away")]
    ServerGone,
    /// The server took nothing, or said nothing, for as long as somebody would wait.
    #[error("the server says nothing")]
    Silent,
    /// The system refused something here.
    #[error("cannot {what}: {source}")]
    Here {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

/// What a refusal's message does not say by itself.
fn said(class: Class) -> &'static str {
    match class {
        Class::Busy => " (busy)",
        Class::Policy => " (policy)",
        Class::TooLarge => " (too large)",
        _ => "",
    }
}

impl Asked {
    /// Asks the server at `socket` for a program, and waits until it runs. `files` are the streams that
    /// ride along.
    ///
    /// # Errors
    /// When it does not run.
    pub fn start(
        socket: &Path,
        version: Version,
        request: &Request,
        files: &[BorrowedFd<'_>],
    ) -> Result<Self, Failure> {
        Self::over(connect_packets(socket).map_err(Failure::Connect)?, version, request, files)
    }

    /// The same, but for no longer than `patience` at any step: for those who have no time of their own to
    /// give it.
    ///
    /// # Errors
    /// As [`start`](Self::start), and [`Failure::Silent`].
    pub fn start_within(
        socket: &Path,
        version: Version,
        request: &Request,
        files: &[BorrowedFd<'_>],
        patience: Duration,
    ) -> Result<Self, Failure> {
        let packets = connect_packets_within(socket, Some(patience)).map_err(|e| match e.kind() {
            io::ErrorKind::WouldBlock => Failure::Silent,
            _ => Failure::Connect(e),
        })?;
        Self::over(packets, version, request, files)
    }

    fn over(packets: Packets, version: Version, request: &Request, files: &[BorrowedFd<'_>]) -> Result<Self, Failure> {
        let talk = Talk::new(version);
        for (packet, carries) in talk.opening(request) {
            let files = if carries { files } else { &[] };
            match packets.send(&packet, files) {
                Ok(()) => {}
                // It has heard enough to say no, which is there to be read.
                Err(e) if matches!(e.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => break,
                Err(e) if e.raw_os_error() == Some(libc::EMSGSIZE) => {
                    let message = "the request does not fit one packet, as version 1 wants it".to_owned();
                    return Err(Failure::Refused { class: Class::TooLarge, message });
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(Failure::Silent),
                Err(source) => return Err(Failure::Here { what: "send the request", source }),
            }
        }
        let mut asked = Self { packets, talk, terminal: None };
        match asked.hear()? {
            Tell::Started { .. } => Ok(asked),
            Tell::Refused { class, message, .. } => Err(Failure::Refused { class, message }),
            _ => Err(Invalid::Malformed("it speaks of a program that has not started").into()),
        }
    }

    /// What the server says next; waits for it.
    ///
    /// # Errors
    /// When it says nothing more, or something that makes no sense.
    pub fn hear(&mut self) -> Result<Tell, Failure> {
        let mut room = vec![0; PACKET_BYTES_MAX];
        let mut received = self.packets.recv(&mut room);
        if received.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::ConnectionReset) {
            // It closed before it had read all we sent. What it had said comes after that news.
            received = self.packets.recv(&mut room);
        }
        let received = received.map_err(|e| match e.kind() {
            io::ErrorKind::WouldBlock => Failure::Silent,
            _ => Failure::ServerGone,
        })?;
        if received.bytes == 0 {
            return Err(Failure::ServerGone);
        }
        if let Some(terminal) = received.files.into_iter().next() {
            self.terminal = Some(terminal);
        }
        Ok(self.talk.read(&room[..received.bytes])?)
    }

    /// The connection and what is said over it, for those who do not block.
    #[must_use]
    pub fn into_parts(self) -> (Packets, Talk) {
        (self.packets, self.talk)
    }

    /// Passes a signal on to the program's group. If the server has gone, its end is the next news.
    pub fn signal(&self, number: i32) {
        let _ = self.packets.send(&self.talk.signal(Signal { number, only_it: false }), &[]);
    }
}

impl AsFd for Asked {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.packets.as_fd()
    }
}
