//! One caller's connection, in whichever version it speaks.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use hotfn_socket::{AsyncPackets, Received};

use super::Config;
use crate::packet::{Assembler, Class, Ended, How, Invalid, Kind, Limits, PACKET_BYTES_MAX, Request, Signal, Tell, v1};

/// A caller's connection once it is known what it speaks.
#[derive(Debug)]
pub(super) struct Wire {
    packets: AsyncPackets,
    version: Version,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Version {
    One,
    Two,
}

/// What a caller begins with.
#[derive(Debug)]
pub(super) enum Opening {
    Ping,
    Run(Box<Ask>),
    Stop,
}

/// A program to be run, with the files that came along.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) request: Request,
    pub(super) files: Vec<OwnedFd>,
    /// What only version 1 can ask for.
    pub(super) startup: v1::Startup,
}

/// What a caller says afterwards.
#[derive(Debug)]
pub(super) enum News {
    Gone,
    Signal(Signal),
}

/// Why a caller's opening cannot be followed.
#[derive(Debug)]
pub(super) enum Failed {
    /// It has gone, or cannot be told anything.
    Gone,
    /// It can be told.
    Invalid(Invalid),
}

/// How long a caller may take to make room for what it is told.
const TELL_PATIENCE: Duration = Duration::from_secs(5);

impl Wire {
    /// Reads what a caller begins with. The first byte says which version it speaks.
    pub(super) async fn open(packets: AsyncPackets, config: &Config) -> (Self, Result<Opening, Failed>) {
        let mut room = vec![0; PACKET_BYTES_MAX];
        let mut wire = Self { packets, version: Version::Two };
        let first = match wire.recv(&mut room).await {
            Ok(first) => first,
            Err(failed) => return (wire, Err(failed)),
        };
        let opening = if room[0] <= 1 {
            wire.version = Version::One;
            if config.compat_v1 {
                wire.open_one(&room[..first.bytes], &config.limits).await
            } else {
                Err(Invalid::Malformed("version 1 is not spoken on this socket").into())
            }
        } else {
            wire.open_two(first, &mut room, &config.limits).await
        };
        (wire, opening)
    }

    async fn open_one(&self, first: &[u8], limits: &Limits) -> Result<Opening, Failed> {
        let bytes = match v1::Opening::decode(first)? {
            v1::Opening::Stop => return Ok(Opening::Stop),
            v1::Opening::Exec { bytes } => usize::try_from(bytes).unwrap_or(usize::MAX),
        };
        let max = limits.message_bytes_max();
        if bytes > max {
            return Err(Invalid::TooLarge { what: "a request", max }.into());
        }
        let mut room = vec![0; bytes];
        let received = self.recv(&mut room).await?;
        let v1::Request { request, startup } = v1::Request::decode(&room[..received.bytes], limits)?;
        Ok(Opening::Run(Box::new(Ask::checked(request, received.files, startup)?)))
    }

    async fn open_two(&self, first: Received, room: &mut [u8], limits: &Limits) -> Result<Opening, Failed> {
        let mut assembler = Assembler::new(limits);
        let mut whole = assembler.push(&room[..first.bytes])?;
        let message = loop {
            if let Some(message) = whole {
                break message;
            }
            let more = self.recv(room).await?;
            if !more.files.is_empty() {
                return Err(Invalid::Malformed("files come with the first packet of a request").into());
            }
            whole = assembler.push(&room[..more.bytes])?;
        };
        match message.kind {
            Kind::Ping => Ok(Opening::Ping),
            Kind::Stop => Ok(Opening::Stop),
            Kind::Request => {
                let request = Request::decode(&message.body, limits)?;
                Ok(Opening::Run(Box::new(Ask::checked(request, first.files, v1::Startup::default())?)))
            }
            _ => Err(Invalid::Malformed("a conversation begins with a request").into()),
        }
    }

    /// The next packet. What was cut on the way is somebody's fault who can be told.
    async fn recv(&self, room: &mut [u8]) -> Result<Received, Failed> {
        match self.packets.recv(room).await {
            Ok(received) if received.bytes == 0 => Err(Failed::Gone),
            Ok(received) => Ok(received),
            Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                Err(Invalid::Malformed("a packet was cut, or carries too many files").into())
            }
            Err(_) => Err(Failed::Gone),
        }
    }

    /// What the caller says next. Whatever makes no sense is as good as gone. Cancel safe.
    pub(super) async fn news(&self) -> News {
        // A signal is a dozen bytes in either version.
        let mut room = [0; 64];
        let Ok(received) = self.recv(&mut room).await else { return News::Gone };
        let packet = &room[..received.bytes];
        let signal = match self.version {
            Version::One => Signal::decode_v1(packet),
            Version::Two => match Assembler::new(&Limits::default()).push(packet) {
                Ok(Some(message)) if message.kind == Kind::Signal => Signal::decode(&message),
                Ok(_) => Err(Invalid::Malformed("only signals may follow a request")),
                Err(e) => Err(e),
            },
        };
        signal.map_or(News::Gone, News::Signal)
    }

    pub(super) async fn started(&self, pid: u32, job: u64, terminal: Option<OwnedFd>) -> io::Result<()> {
        let packet = match self.version {
            Version::One => v1::Answer { started: Ok(pid.cast_signed()) }.encode(),
            Version::Two => Tell::Started { pid, job }.encode(),
        };
        let files: Vec<_> = terminal.iter().map(AsFd::as_fd).collect();
        self.tell(&packet, &files).await
    }

    /// Nobody minds if the one who is refused has gone.
    pub(super) async fn refused(&self, class: Class, errno: Option<i32>, message: String) {
        let packet = match self.version {
            Version::One => {
                let failed = v1::Failed { message, errno: errno.unwrap_or(-1) };
                v1::Answer { started: Err(failed) }.encode()
            }
            Version::Two => Tell::Refused { class, errno: errno.unwrap_or(0), message }.encode(),
        };
        let _ = self.tell(&packet, &[]).await;
    }

    pub(super) async fn pong(&self, free: usize) {
        let free = u32::try_from(free).unwrap_or(u32::MAX);
        let _ = self.tell(&Tell::Pong { version: crate::packet::VERSION, free }.encode(), &[]).await;
    }

    /// Version 1 has no word for it.
    pub(super) async fn state(&self, stopped: Option<i32>) {
        if self.version == Version::Two {
            let _ = self.tell(&Tell::State { stopped }.encode(), &[]).await;
        }
    }

    pub(super) async fn ended(&self, ended: Ended) {
        let packet = match (self.version, ended.how) {
            (Version::Two, _) => Tell::Exited(ended).encode(),
            (Version::One, How::Code) => v1::End::Code(ended.value).encode(),
            (Version::One, _) => v1::End::Signal(ended.value).encode(),
        };
        let _ = self.tell(&packet, &[]).await;
    }

    async fn tell(&self, packet: &[u8], files: &[std::os::fd::BorrowedFd<'_>]) -> io::Result<()> {
        tokio::time::timeout(TELL_PATIENCE, self.packets.send(packet, files)).await?
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.packets.as_fd()
    }
}

impl Ask {
    /// Holds the files that came against what was said of them.
    fn checked(request: Request, files: Vec<OwnedFd>, startup: v1::Startup) -> Result<Self, Failed> {
        if files.len() != request.streams.count() {
            return Err(Invalid::Malformed("there are not as many files as streams that ride along").into());
        }
        Ok(Self { request, files, startup })
    }
}

impl From<Invalid> for Failed {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}
