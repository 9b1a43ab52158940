//! A caller's half of the conversation, in either version. No I/O.

use crate::packet::{
    Assembler, Class, Ended, How, Invalid, Limits, PACKET_BYTES_MAX, Request, Signal, Tell, Usage, frames, v1,
};

/// Which version is spoken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Version {
    /// That of Sidecar 1.2.0, with what it alone can ask for.
    One(v1::Startup),
    /// Ours.
    #[default]
    Two,
}

/// A conversation.
#[derive(Debug)]
pub struct Talk {
    version: Version,
    has_started: bool,
}

impl Talk {
    /// One that has not begun.
    #[must_use]
    pub fn new(version: Version) -> Self {
        Self { version, has_started: false }
    }

    /// The packets that ask for a program, and whether the files ride along with each.
    #[must_use]
    pub fn opening(&self, request: &Request) -> Vec<(Vec<u8>, bool)> {
        match self.version {
            Version::One(startup) => {
                let body = v1::Request::of(request.clone(), startup).encode();
                vec![(v1::Opening::Exec { bytes: body.len() as u64 }.encode(), false), (body, true)]
            }
            Version::Two => {
                let body = request.encode();
                let packets = frames(&body, PACKET_BYTES_MAX);
                packets.enumerate().map(|(nth, packet)| (packet, nth == 0)).collect()
            }
        }
    }

    /// The packet that passes a signal on.
    #[must_use]
    pub fn signal(&self, signal: Signal) -> Vec<u8> {
        match self.version {
            Version::One(_) => signal.encode_v1(),
            Version::Two => signal.encode(),
        }
    }

    /// What the server says in one packet.
    ///
    /// # Errors
    /// When it makes no sense.
    pub fn read(&mut self, packet: &[u8]) -> Result<Tell, Invalid> {
        match self.version {
            Version::One(_) if self.has_started => v1::End::decode(packet).map(ended),
            Version::One(_) => {
                self.has_started = true;
                v1::Answer::decode(packet).map(answer)
            }
            Version::Two => match Assembler::new(&Limits::default()).push(packet)? {
                Some(message) => Tell::decode(&message),
                None => Err(Invalid::Malformed("only a request may take more than one packet")),
            },
        }
    }
}

/// A server of version 1 gives no class; the number tells as much.
fn answer(answer: v1::Answer) -> Tell {
    match answer.started {
        Ok(pid) => Tell::Started { pid: pid.unsigned_abs(), job: 0 },
        Err(v1::Failed { message, errno }) => {
            let class = match errno {
                libc::ENOENT => Class::NotFound,
                libc::EACCES | libc::ENOEXEC => Class::NotExecutable,
                libc::EAGAIN | libc::ENOMEM => Class::Busy,
                _ => Class::Internal,
            };
            Tell::Refused { class, errno, message }
        }
    }
}

fn ended(end: v1::End) -> Tell {
    let (how, value) = match end {
        v1::End::Code(code) => (How::Code, code),
        v1::End::Signal(signal) => (How::Signal, signal),
        // What Sidecar's own client says of it.
        v1::End::Unknown => (How::Code, 127),
    };
    Tell::Exited(Ended { how, value, core: false, usage: Usage::default() })
}
