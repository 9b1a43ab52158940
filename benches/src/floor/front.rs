//! The floor's front.

use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result};

use crate::events::{Events, Watched};
use crate::passage::{Found, Passage, Wrote};

const LISTENER: u64 = u64::MAX;

/// Passes what comes over TCP to `socket`, and the answers back.
pub(crate) fn serve(address: &str, socket: &str) -> Result<()> {
    let listener = TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    let events = Events::new()?;
    let listener = events.watch(listener, LISTENER)?;
    // Places are never given twice, so that a late event meets nobody.
    let mut pairs: Vec<Option<Pair>> = Vec::new();
    events.each(|token| {
        if token == LISTENER {
            let (client, _) = listener.stream.accept()?;
            pairs.push(Some(Pair::new(&events, client, socket, pairs.len() as u64)?));
            return Ok(());
        }
        let place = &mut pairs[usize::try_from(token / 2).expect("a place in memory")];
        let Some(pair) = place else { return Ok(()) };
        if !pair.advance(&events, token % 2 == 0)? {
            *place = None;
        }
        Ok(())
    })
}

/// A client's connection and the function's that belongs to it.
struct Pair {
    client: Watched<TcpStream>,
    function: Watched<UnixStream>,
    up: Passage,
    down: Passage,
}

impl Pair {
    fn new(events: &Events, client: TcpStream, socket: &str, place: u64) -> Result<Self> {
        client.set_nodelay(true)?;
        client.set_nonblocking(true)?;
        let function = UnixStream::connect(socket).with_context(|| format!("cannot connect to {socket}"))?;
        function.set_nonblocking(true)?;
        Ok(Self {
            client: events.watch(client, place * 2)?,
            function: events.watch(function, place * 2 + 1)?,
            up: Passage::new(),
            down: Passage::new(),
        })
    }

    /// Something can be read from the client or the function, or written to it; false at the end.
    fn advance(&mut self, events: &Events, client: bool) -> Result<bool> {
        // The direction that waits for room here, if any, and the one that begins here.
        let alive = if client {
            (!self.down.waits() || self.down.write(&mut self.client.stream) != Wrote::End)
                && pass(&mut self.up, &mut self.client.stream, &mut self.function.stream)
        } else {
            (!self.up.waits() || self.up.write(&mut self.function.stream) != Wrote::End)
                && pass(&mut self.down, &mut self.function.stream, &mut self.client.stream)
        };
        if alive {
            events.ask(&mut self.client, !self.up.waits(), self.down.waits())?;
            events.ask(&mut self.function, !self.down.waits(), self.up.waits())?;
        }
        Ok(alive)
    }
}

fn pass(passage: &mut Passage, from: &mut impl std::io::Read, to: &mut impl std::io::Write) -> bool {
    if passage.waits() {
        return true;
    }
    match passage.read(from) {
        Found::Nothing => true,
        Found::End => false,
        Found::Head(_) | Found::Body => passage.write(to) != Wrote::End,
    }
}
