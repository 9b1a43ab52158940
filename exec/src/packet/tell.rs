//! What a server says.

use std::fmt;
use std::time::Duration;

use super::fields::{Fields, Numbers, Writer, unknown};
use super::message::{self, Kind, Message};
use super::{Invalid, VERSION};

/// What a server says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Tell {
    /// How the program ended. Nothing follows.
    Exited(Ended),
    /// An answer to a ping.
    Pong {
        /// The server's version of these packets.
        version: u8,
        /// Sessions it has room for.
        free: u32,
    },
    /// It was not started. Nothing follows.
    Refused {
        /// What kind of reason it is.
        class: Class,
        /// The system's own number for it, 0 if there is none.
        errno: i32,
        /// The reason, for a person.
        message: String,
    },
    /// It runs. Carries the terminal that was asked for.
    Started {
        /// Its process id, where the server lives.
        pid: u32,
        /// What the server calls it.
        job: u64,
    },
    /// The program was stopped by this signal, or goes on.
    State {
        /// `None`: it goes on.
        stopped: Option<i32>,
    },
}

/// How a program ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ended {
    /// In which way.
    pub how: How,
    /// Its exit code, or the signal's number.
    pub value: i32,
    /// It left a core file.
    pub core: bool,
    /// What it took, it and those of its children that it has waited for.
    pub usage: Usage,
}

/// In which way a program ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum How {
    /// By itself, with an exit code.
    Code,
    /// By a signal.
    Signal,
    /// It was ended because its time was up.
    TimedOut,
    /// It was ended because the server ends.
    Killed,
}

/// What a program took.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Time of the processor in the program itself.
    pub user: Duration,
    /// Time of the processor in the kernel on its behalf.
    pub system: Duration,
    /// The most memory that it held, in KiB.
    pub memory_max_kb: u64,
}

/// Why a program was not started.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// The request makes no sense, or was cut.
    BadRequest,
    /// There is no room for it now; later there may be.
    Busy,
    /// Its working directory cannot be entered.
    Directory,
    /// The server could not, for a reason that is nobody's fault but its own.
    Internal,
    /// The program is there and cannot be run.
    NotExecutable,
    /// There is no such program.
    NotFound,
    /// It may not be run, not by this caller or not like this.
    Policy,
    /// The request is larger than it may be.
    TooLarge,
}

impl Class {
    const ALL: [(u8, Self, &str); 8] = [
        (1, Self::BadRequest, "bad-request"),
        (2, Self::Busy, "busy"),
        (3, Self::NotFound, "not-found"),
        (4, Self::NotExecutable, "not-executable"),
        (5, Self::Directory, "directory"),
        (6, Self::Policy, "policy"),
        (7, Self::TooLarge, "too-large"),
        (8, Self::Internal, "internal"),
    ];

    fn row(self) -> &'static (u8, Self, &'static str) {
        Self::ALL.iter().find(|(_, class, _)| *class == self).expect("every class has a row")
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().2)
    }
}

/// Bytes of a refusal's message, at most.
const MESSAGE_BYTES_MAX: usize = 4_096;

mod tag {
    pub(super) const PID: u16 = 0x0101;
    pub(super) const JOB: u16 = 0x0102;
    pub(super) const CLASS: u16 = 0x8103;
    pub(super) const ERRNO: u16 = 0x0104;
    pub(super) const MESSAGE: u16 = 0x0105;
    pub(super) const STOPPED: u16 = 0x0106;
    pub(super) const HOW: u16 = 0x8107;
    pub(super) const VALUE: u16 = 0x8108;
    pub(super) const CORE: u16 = 0x0109;
    pub(super) const UTIME_US: u16 = 0x010A;
    pub(super) const STIME_US: u16 = 0x010B;
    pub(super) const MAXRSS_KB: u16 = 0x010C;
    pub(super) const VERSION: u16 = 0x010D;
    pub(super) const FREE: u16 = 0x010E;
}

impl Tell {
    /// As one packet.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        let kind = match self {
            Self::Exited(ended) => {
                let how = HOWS.iter().find(|(_, how)| *how == ended.how).expect("every way has a row").0;
                w.put(tag::HOW, &[how]);
                w.put(tag::VALUE, &ended.value.to_le_bytes());
                w.put(tag::CORE, &[ended.core.into()]);
                w.put(tag::UTIME_US, &micros(ended.usage.user));
                w.put(tag::STIME_US, &micros(ended.usage.system));
                w.put(tag::MAXRSS_KB, &ended.usage.memory_max_kb.to_le_bytes());
                Kind::Exited
            }
            Self::Pong { version, free } => {
                w.put(tag::VERSION, &[*version]);
                w.put(tag::FREE, &free.to_le_bytes());
                Kind::Pong
            }
            Self::Refused { class, errno, message } => {
                w.put(tag::CLASS, &[class.row().0]);
                w.put(tag::ERRNO, &errno.to_le_bytes());
                w.put(tag::MESSAGE, &message.as_bytes()[..message.floor_char_boundary(MESSAGE_BYTES_MAX)]);
                Kind::Refused
            }
            Self::Started { pid, job } => {
                w.put(tag::PID, &pid.to_le_bytes());
                w.put(tag::JOB, &job.to_le_bytes());
                Kind::Started
            }
            Self::State { stopped } => {
                w.put(tag::STOPPED, &stopped.unwrap_or(0).to_le_bytes());
                Kind::State
            }
        };
        message::single(kind, 0, &w.bytes)
    }

    /// Of a server's message.
    ///
    /// # Errors
    /// When it is not one.
    pub fn decode(message: &Message) -> Result<Self, Invalid> {
        let mut f = Found::default();
        for field in Fields::of(&message.body) {
            let (tag, value) = field?;
            f.field(tag, value)?;
        }
        let missing = Invalid::Malformed("a server's message lacks a field");
        Ok(match message.kind {
            Kind::Exited => Self::Exited(Ended {
                how: f.how.ok_or(missing)?,
                value: f.value.ok_or(missing)?,
                core: f.core,
                usage: f.usage,
            }),
            Kind::Pong => Self::Pong { version: f.version.unwrap_or(VERSION), free: f.free },
            Kind::Refused => {
                Self::Refused { class: f.class.ok_or(missing)?, errno: f.errno, message: f.message.unwrap_or_default() }
            }
            Kind::Started => Self::Started { pid: f.pid, job: f.job },
            Kind::State => Self::State { stopped: (f.stopped != 0).then_some(f.stopped) },
            Kind::More | Kind::Ping | Kind::Request | Kind::Signal | Kind::Stop => {
                return Err(Invalid::Malformed("a caller's message came from a server"));
            }
        })
    }
}

const HOWS: [(u8, How); 4] = [(1, How::Code), (2, How::Signal), (3, How::TimedOut), (4, How::Killed)];

/// All that a server's message can hold.
#[derive(Default)]
struct Found {
    pid: u32,
    job: u64,
    class: Option<Class>,
    errno: i32,
    message: Option<String>,
    stopped: i32,
    how: Option<How>,
    value: Option<i32>,
    core: bool,
    usage: Usage,
    version: Option<u8>,
    free: u32,
}

impl Found {
    fn field(&mut self, tag: u16, value: &[u8]) -> Result<(), Invalid> {
        let mut n = Numbers(value);
        match tag {
            tag::PID => self.pid = n.u32()?,
            tag::JOB => self.job = n.u64()?,
            tag::CLASS => {
                let number = n.u8()?;
                // A class that a later server knows is a failure of its own all the same.
                let row = Class::ALL.iter().find(|(known, ..)| *known == number);
                self.class = Some(row.map_or(Class::Internal, |(_, class, _)| *class));
            }
            tag::ERRNO => self.errno = n.i32()?,
            tag::MESSAGE => {
                if value.len() > MESSAGE_BYTES_MAX {
                    return Err(Invalid::TooLarge { what: "a message", max: MESSAGE_BYTES_MAX });
                }
                self.message = Some(String::from_utf8_lossy(value).into_owned());
                n.0 = &[];
            }
            tag::STOPPED => self.stopped = n.i32()?,
            tag::HOW => {
                let number = n.u8()?;
                let row = HOWS.iter().find(|(known, _)| *known == number);
                self.how = Some(row.ok_or(Invalid::Malformed("a program ended in an unknown way"))?.1);
            }
            tag::VALUE => self.value = Some(n.i32()?),
            tag::CORE => self.core = n.u8()? != 0,
            tag::UTIME_US => self.usage.user = Duration::from_micros(n.u64()?),
            tag::STIME_US => self.usage.system = Duration::from_micros(n.u64()?),
            tag::MAXRSS_KB => self.usage.memory_max_kb = n.u64()?,
            tag::VERSION => self.version = Some(n.u8()?),
            tag::FREE => self.free = n.u32()?,
            _ => return unknown(tag),
        }
        n.end()
    }
}

fn micros(time: Duration) -> [u8; 8] {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).to_le_bytes()
}
