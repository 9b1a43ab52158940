//! The packets of Sidecar 1.2.0.
//!
//! ```text
//! caller   01000000 5c00000000000000    a request of 92 bytes follows; 00000000: the server should end
//! caller   the request, with descriptors 0, 1 and 2
//! server   01 0000000000000000 00000000 021b0000       started, no message, no errno, pid 6914
//! caller   any number of signals: i32, negative for the whole group
//! server   01000000 00000000             exit code 0; 02000000 n: by signal n; 00000000: unknown
//! ```
//!
//! Numbers are of fixed width, least significant byte first; a text is its length in eight bytes
//! and then itself, a list its count in eight bytes and then its items. Texts are UTF-8 there and
//! any bytes here, which no caller of theirs can tell. A request must fit one packet, and what is in
//! it is bounded as everywhere.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use super::fields::Numbers;
use super::{Invalid, Limits, OnClose, RunAs, Signal, Streams};

/// The first packet of a conversation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Opening {
    /// A request of so many bytes follows.
    Exec {
        /// Its length.
        bytes: u64,
    },
    /// The server should end.
    Stop,
}

/// A request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// What is to be run, in the words of version 2.
    pub request: super::Request,
    /// How it is to start.
    pub startup: Startup,
}

/// How a program is to start, in what only version 1 has words for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Startup {
    /// In this process group; 0: in one of its own. Default: in the server's.
    pub pgid: Option<i32>,
    /// In a session of its own.
    pub setsid: bool,
    /// Without a controlling terminal.
    pub no_terminal: bool,
    /// Deaf to HUP.
    pub ignore_hangup: bool,
    /// What it is sent when the server dies. Default: KILL.
    pub death_signal: i32,
}

impl Default for Startup {
    fn default() -> Self {
        Self { pgid: None, setsid: false, no_terminal: false, ignore_hangup: false, death_signal: KILL }
    }
}

/// The server's answer to a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The program's process id, or why there is none.
    pub started: Result<i32, Failed>,
}

/// Why a program did not start.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failed {
    /// For a person.
    pub message: String,
    /// The system's own number, −1 if there is none.
    pub errno: i32,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// With an exit code.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// Nobody knows.
    Unknown,
}

impl Opening {
    /// As a packet.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        match self {
            Self::Stop => 0_u32.to_le_bytes().to_vec(),
            Self::Exec { bytes } => [&1_u32.to_le_bytes()[..], &bytes.to_le_bytes()].concat(),
        }
    }

    /// Of the first packet.
    ///
    /// # Errors
    /// When it is not one.
    pub fn decode(packet: &[u8]) -> Result<Self, Invalid> {
        let mut n = Numbers(packet);
        let opening = match n.u32()? {
            0 => Self::Stop,
            1 => Self::Exec { bytes: n.u64()? },
            _ => return Err(Invalid::Malformed("a conversation begins with 0 or 1")),
        };
        n.end()?;
        Ok(opening)
    }
}

impl Request {
    /// `request`, as Sidecar's own client would put it. What version 1 has no words for is left out.
    #[must_use]
    pub fn of(request: super::Request, startup: Startup) -> Self {
        Self { request, startup }
    }

    /// As a packet.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let r = &self.request;
        let mut out = Vec::new();
        text(&mut out, r.program.as_bytes());
        out.extend_from_slice(&(r.args.len() as u64).to_le_bytes());
        r.args.iter().for_each(|arg| text(&mut out, arg.as_bytes()));
        text(&mut out, r.cwd.as_deref().map_or(&[], |cwd| cwd.as_os_str().as_bytes()));
        out.extend_from_slice(&(r.env.len() as u64).to_le_bytes());
        for (name, value) in &r.env {
            text(&mut out, name.as_bytes());
            text(&mut out, value.as_bytes());
        }
        let id = |id: Option<u32>| id.map_or(-1, u32::cast_signed);
        let run_as = r.run_as.unwrap_or(RunAs { uid: None, gid: None });
        let Startup { pgid, setsid, no_terminal, ignore_hangup, death_signal } = self.startup;
        let startup = [pgid.is_some(), setsid, no_terminal, ignore_hangup];
        let startup = startup.into_iter().rev().fold(0, |bits, bit| bits << 1 | u32::from(bit));
        for number in [startup, r.streams.bits().into()] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [pgid.unwrap_or(0), id(run_as.uid), id(run_as.gid), death_signal, r.on_close.signal] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out
    }

    /// Of the second packet.
    ///
    /// # Errors
    /// When something in it cannot be, or is beyond `limits`.
    pub fn decode(packet: &[u8], limits: &Limits) -> Result<Self, Invalid> {
        let mut texts = Texts { n: Numbers(packet), limits, bytes: 0 };
        let mut request = super::Request::new(texts.text()?);
        if request.program.is_empty() {
            return Err(Invalid::Malformed("a program has no name"));
        }
        for _ in 0..texts.count("the number of arguments", limits.args_max.saturating_sub(1))? {
            request.args.push(texts.text()?);
        }
        let cwd = PathBuf::from(texts.text()?);
        request.cwd = (!cwd.as_os_str().is_empty()).then_some(cwd);
        for _ in 0..texts.count("the number of variables", limits.env_max)? {
            let (name, value) = (texts.text()?, texts.text()?);
            if name.is_empty() || name.as_bytes().contains(&b'=') {
                return Err(Invalid::Malformed("a variable has no name"));
            }
            request.env.push((name, value));
        }
        let mut n = texts.n;
        let bits = n.u32()?;
        let bit = |nth: u32| bits >> nth & 1 != 0;
        request.streams = Streams::of(u8::try_from(n.u32()?).unwrap_or(u8::MAX))?;
        let pgid = n.i32()?;
        let id = |number: i32| (number >= 0).then_some(number.cast_unsigned());
        let (uid, gid) = (id(n.i32()?), id(n.i32()?));
        request.run_as = (uid.is_some() || gid.is_some()).then_some(RunAs { uid, gid });
        let death_signal = n.i32()?;
        let signal = n.i32()?;
        n.end()?;
        let startup = Startup {
            pgid: bit(0).then_some(pgid),
            setsid: bit(1),
            no_terminal: bit(2),
            ignore_hangup: bit(3),
            death_signal,
        };
        if !(0..=64).contains(&signal) {
            return Err(Invalid::Malformed("a signal is a number from 1 to 64"));
        }
        let signal = if signal == 0 { KILL } else { signal };
        request.on_close = OnClose { signal, grace: Duration::from_secs(2) };
        Ok(Self { request, startup })
    }
}

impl Answer {
    /// As a packet.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (message, errno, pid) = match &self.started {
            Ok(pid) => ("", 0, *pid),
            Err(failed) => (&*failed.message, failed.errno, -1),
        };
        let mut out = vec![u8::from(self.started.is_ok())];
        text(&mut out, message.as_bytes());
        out.extend_from_slice(&errno.to_le_bytes());
        out.extend_from_slice(&pid.to_le_bytes());
        out
    }

    /// Of a server's first packet.
    ///
    /// # Errors
    /// When it is not one.
    pub fn decode(packet: &[u8]) -> Result<Self, Invalid> {
        let limits = Limits::default();
        let mut texts = Texts { n: Numbers(packet), limits: &limits, bytes: 0 };
        let has_started = texts.n.u8()? != 0;
        let message = texts.text()?.to_string_lossy().into_owned();
        let (errno, pid) = (texts.n.i32()?, texts.n.i32()?);
        texts.n.end()?;
        Ok(Self { started: if has_started { Ok(pid) } else { Err(Failed { message, errno }) } })
    }
}

impl End {
    /// As a packet.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let (how, value) = match self {
            Self::Unknown => return 0_u32.to_le_bytes().to_vec(),
            Self::Code(code) => (1_u32, code),
            Self::Signal(signal) => (2, signal),
        };
        [how.to_le_bytes(), value.to_le_bytes()].concat()
    }

    /// Of a server's last packet.
    ///
    /// # Errors
    /// When it is not one.
    pub fn decode(packet: &[u8]) -> Result<Self, Invalid> {
        let mut n = Numbers(packet);
        let end = match n.u32()? {
            0 => Self::Unknown,
            1 => Self::Code(n.i32()?),
            2 => Self::Signal(n.i32()?),
            _ => return Err(Invalid::Malformed("a program ended in an unknown way")),
        };
        n.end()?;
        Ok(end)
    }
}

impl Signal {
    /// As a packet of version 1.
    #[must_use]
    pub fn encode_v1(self) -> Vec<u8> {
        let number = if self.only_it { self.number } else { -self.number };
        number.to_le_bytes().to_vec()
    }

    /// Of a packet of version 1.
    ///
    /// # Errors
    /// When it is not a signal's number.
    pub fn decode_v1(packet: &[u8]) -> Result<Self, Invalid> {
        let mut n = Numbers(packet);
        let number = n.i32()?;
        n.end()?;
        if number == 0 || number.unsigned_abs() > 64 {
            return Err(Invalid::Malformed("a signal is a number from 1 to 64"));
        }
        Ok(Self { number: number.abs(), only_it: number > 0 })
    }
}

/// What a request of theirs says if it says nothing.
const KILL: i32 = 9;

fn text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text);
}

/// Reads texts and counts, held to their bounds.
struct Texts<'p> {
    n: Numbers<'p>,
    limits: &'p Limits,
    bytes: usize,
}

impl Texts<'_> {
    fn text(&mut self) -> Result<OsString, Invalid> {
        let length = self.count("a text", self.limits.string_bytes_max)?;
        let (text, rest) = self.n.0.split_at_checked(length).ok_or(Invalid::Malformed("a text is cut short"))?;
        self.n.0 = rest;
        self.bytes += length;
        if self.bytes > self.limits.strings_bytes_max {
            return Err(Invalid::TooLarge { what: "all of the texts", max: self.limits.strings_bytes_max });
        }
        if text.contains(&0) {
            return Err(Invalid::Malformed("a text contains a NUL"));
        }
        Ok(OsString::from_vec(text.to_owned()))
    }

    fn count(&mut self, what: &'static str, max: usize) -> Result<usize, Invalid> {
        let count = usize::try_from(self.n.u64()?).unwrap_or(usize::MAX);
        if count <= max { Ok(count) } else { Err(Invalid::TooLarge { what, max }) }
    }
}
