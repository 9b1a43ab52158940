//! A connection, and the epoll that all of them share.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Instant;

use anyhow::{Context, Result};
use rustix::event::epoll::{self, EventFlags};

use crate::wire::{Exchange, Request};

/// Events taken from the kernel at a time.
const EVENTS_MAX: usize = 256;
/// What is read at a time.
const READ_BYTES: usize = 256 << 10;
/// The token of what is no connection.
pub(crate) const NO_CONNECTION: u64 = u64::MAX;

/// All connections.
pub(crate) struct Connections {
    epoll: OwnedFd,
    address: SocketAddr,
    all: Vec<Connection>,
    buffer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    asked: EventFlags,
    call: Option<Call>,
}

/// A call under way.
struct Call {
    /// Which of the requests.
    request: usize,
    due: Instant,
    exchange: Exchange,
}

/// What became of a call.
pub(crate) struct Ended {
    pub(crate) due: Instant,
    /// The status, or how the connection broke.
    pub(crate) outcome: Result<u16, io::Error>,
}

impl Connections {
    /// Opens `count` connections.
    pub(crate) fn open(address: SocketAddr, count: u32) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Self { epoll, address, all: Vec::new(), buffer: vec![0; READ_BYTES] };
        for place in 0..u64::from(count) {
            let connection = connections.connect(place)?;
            connections.all.push(connection);
        }
        Ok(connections)
    }

    /// How many there are; their places are 0 and up.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The epoll, for what else is to be waited for.
    pub(crate) fn epoll(&self) -> &OwnedFd {
        &self.epoll
    }

    /// Begins a call on an idle connection; what becomes of it if that is clear at once.
    pub(crate) fn begin(
        &mut self,
        place: usize,
        request: usize,
        due: Instant,
        requests: &[Request],
    ) -> Result<Option<Ended>> {
        self.all[place].call = Some(Call { request, due, exchange: Exchange::default() });
        self.advance(place, requests, EventFlags::OUT)
    }

    /// Does what can be done for the call at `place`; what became of it if it ended.
    pub(crate) fn advance(&mut self, place: usize, requests: &[Request], can: EventFlags) -> Result<Option<Ended>> {
        let connection = &mut self.all[place];
        let Some(call) = &mut connection.call else {
            // The other side has closed an idle connection.
            self.all[place] = self.connect(place as u64)?;
            return Ok(None);
        };
        let request = &requests[call.request];
        let mut done = || {
            call.exchange.write(request, &mut &connection.stream)?;
            if can == EventFlags::OUT {
                return Ok(None);
            }
            call.exchange.read(&mut &connection.stream, &mut self.buffer)
        };
        let outcome = match done() {
            Ok(None) => {
                let mut wanted = EventFlags::IN;
                wanted.set(EventFlags::OUT, !call.exchange.sent(request));
                if wanted != connection.asked {
                    let data = epoll::EventData::new_u64(place as u64);
                    epoll::modify(&self.epoll, &connection.stream, data, wanted)?;
                    connection.asked = wanted;
                }
                return Ok(None);
            }
            // An answer before the end of the request leaves a connection nobody can use.
            Ok(Some(_)) if !call.exchange.sent(request) => Err(io::Error::other("answered before all was sent")),
            Ok(Some(status)) => Ok(status),
            Err(e) => Err(e),
        };
        let due = call.due;
        connection.call = None;
        if outcome.is_err() {
            self.all[place] = self.connect(place as u64)?;
        }
        Ok(Some(Ended { due, outcome }))
    }

    /// When the calls that are under way were due.
    pub(crate) fn under_way(&self) -> impl Iterator<Item = Instant> {
        self.all.iter().filter_map(|connection| Some(connection.call.as_ref()?.due))
    }

    /// Waits for events, in `token` and what can be done; as long as `timeout` at most.
    pub(crate) fn wait(&self, timeout: std::time::Duration) -> Result<Vec<(u64, EventFlags)>> {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        let timeout = rustix::fs::Timespec::try_from(timeout).context("a timeout that can be told")?;
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        Ok(events.iter().map(|event| (event.data.u64(), event.flags)).collect())
    }

    fn connect(&self, place: u64) -> Result<Connection> {
        let address = self.address;
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll::add(&self.epoll, &stream, epoll::EventData::new_u64(place), EventFlags::IN)?;
        Ok(Connection { stream, asked: EventFlags::IN, call: None })
    }
}
