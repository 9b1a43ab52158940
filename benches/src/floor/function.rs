//! The floor's function.

use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};

use anyhow::{Context, Result};

use crate::events::{Events, Watched};
use crate::passage::{Found, Passage, Wrote};

const LISTENER: u64 = u64::MAX;

/// Answers every request that comes to `socket` with its body.
pub(crate) fn serve(socket: &str) -> Result<()> {
    let listener = UnixListener::bind(socket).with_context(|| format!("cannot listen on {socket}"))?;
    let events = Events::new()?;
    let listener = events.watch(listener, LISTENER)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut head = Vec::new();
    events.each(|token| {
        if token == LISTENER {
            let (stream, _) = listener.stream.accept()?;
            stream.set_nonblocking(true)?;
            let stream = events.watch(stream, connections.len() as u64)?;
            connections.push(Some(Connection { stream, echo: Passage::new() }));
            return Ok(());
        }
        let place = &mut connections[usize::try_from(token).expect("a place in memory")];
        let Some(connection) = place else { return Ok(()) };
        if connection.advance(&mut head)? {
            let waits = connection.echo.waits();
            events.ask(&mut connection.stream, !waits, waits)?;
        } else {
            *place = None;
        }
        Ok(())
    })
}

struct Connection {
    stream: Watched<UnixStream>,
    echo: Passage,
}

impl Connection {
    /// Something can be read, or written; false at the end. `answer` is memory to make a head in.
    fn advance(&mut self, answer: &mut Vec<u8>) -> Result<bool> {
        let stream = &mut self.stream.stream;
        if self.echo.waits() {
            return Ok(self.echo.write(stream) != Wrote::End);
        }
        match self.echo.read(stream) {
            Found::Nothing => return Ok(true),
            Found::End => return Ok(false),
            Found::Body => {}
            Found::Head(head) => {
                answer.clear();
                let bytes = self.echo.body_bytes(head);
                write!(answer, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {bytes}\r\n\r\n")?;
                // A request that names a host and a type has the room.
                self.echo.replace_head(head, answer).then_some(()).context("the request's head is too short")?;
            }
        }
        Ok(self.echo.write(stream) != Wrote::End)
    }
}
