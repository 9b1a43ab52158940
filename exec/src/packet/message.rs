//! Packets into messages, and messages into packets.

use super::{Invalid, Limits};

/// The version that these packets begin with.
pub const VERSION: u8 = 2;
/// Most bytes of a packet.
pub const PACKET_BYTES_MAX: usize = 65_536;
/// Bytes before a packet's part of the body.
pub const HEADER_BYTES: usize = 8;

/// What a packet is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Kind {
    /// The beginning of a request, with all its files.
    Request = 0x01,
    /// What follows of it.
    More = 0x02,
    /// A signal for the program.
    Signal = 0x03,
    /// The server should end.
    Stop = 0x04,
    /// Is anybody there, and is there room?
    Ping = 0x05,
    /// The program runs.
    Started = 0x81,
    /// It does not, and why.
    Refused = 0x82,
    /// It was stopped, or goes on.
    State = 0x83,
    /// How it ended.
    Exited = 0x84,
    /// Somebody is there.
    Pong = 0x85,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Request,
        Self::More,
        Self::Signal,
        Self::Stop,
        Self::Ping,
        Self::Started,
        Self::Refused,
        Self::State,
        Self::Exited,
        Self::Pong,
    ];

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// A whole message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// What it is; never `More`.
    pub kind: Kind,
    /// As its first packet said.
    pub flags: u16,
    /// All of it.
    pub body: Vec<u8>,
}

/// Puts messages together from packets, in whatever pieces they come.
#[derive(Debug)]
pub struct Assembler {
    body_bytes_max: usize,
    /// A request that goes on, and how long it will be.
    begun: Option<(Message, usize)>,
}

impl Assembler {
    /// For messages within `limits`.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self { body_bytes_max: limits.message_bytes_max(), begun: None }
    }

    /// Has a message begun that is not whole yet? Files may come only with its first packet.
    #[must_use]
    pub fn is_amid(&self) -> bool {
        self.begun.is_some()
    }

    /// Takes one packet, and gives the message that is whole with it.
    ///
    /// # Errors
    /// When it cannot be what comes next. There is no going on after that.
    pub fn push(&mut self, packet: &[u8]) -> Result<Option<Message>, Invalid> {
        let (header, part) = packet
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(Invalid::Malformed("a packet is shorter than its header"))?;
        let [version, kind, f0, f1, l0, l1, l2, l3] = *header;
        if version != VERSION {
            return Err(Invalid::Malformed("a packet is of a version that is not spoken here"));
        }
        let kind = Kind::of(kind).ok_or(Invalid::Malformed("a packet is of an unknown kind"))?;
        let flags = u16::from_le_bytes([f0, f1]);
        let too_large = Invalid::TooLarge { what: "a message", max: self.body_bytes_max };
        let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).map_err(|_| too_large)?;
        if length > self.body_bytes_max {
            return Err(too_large);
        }
        let (mut message, length) = match (kind, self.begun.take()) {
            (Kind::More, Some((message, whole))) if length == whole && !part.is_empty() => (message, whole),
            (Kind::More, _) => return Err(Invalid::Malformed("a packet goes on with what has not begun")),
            (_, Some(_)) => return Err(Invalid::Malformed("a message begins before the last one is whole")),
            (kind, None) => (Message { kind, flags, body: Vec::new() }, length),
        };
        if part.len() > length - message.body.len() {
            return Err(Invalid::Malformed("a message is longer than it said"));
        }
        message.body.extend_from_slice(part);
        if message.body.len() == length {
            return Ok(Some(message));
        }
        if message.kind != Kind::Request {
            return Err(Invalid::Malformed("only a request may take more than one packet"));
        }
        self.begun = Some((message, length));
        Ok(None)
    }
}

/// The packets of a request with this body, each with at most `packet_bytes_max` bytes.
pub fn frames(body: &[u8], packet_bytes_max: usize) -> impl Iterator<Item = Vec<u8>> {
    let room = packet_bytes_max.saturating_sub(HEADER_BYTES).max(1);
    let (first, rest) = body.split_at(room.min(body.len()));
    let begin = (Kind::Request, first);
    let more = rest.chunks(room).map(|part| (Kind::More, part));
    std::iter::once(begin).chain(more).map(move |(kind, part)| packet(kind, 0, part, body.len()))
}

/// A message of one packet.
pub(super) fn single(kind: Kind, flags: u16, body: &[u8]) -> Vec<u8> {
    packet(kind, flags, body, body.len())
}

fn packet(kind: Kind, flags: u16, part: &[u8], length: usize) -> Vec<u8> {
    let length = u32::try_from(length).expect("a message is bounded far below 4 GiB");
    let mut bytes = Vec::with_capacity(HEADER_BYTES + part.len());
    bytes.extend_from_slice(&[VERSION, kind as u8]);
    bytes.extend_from_slice(&flags.to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(part);
    bytes
}
