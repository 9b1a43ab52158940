//! The function that an agent is tested with: it tells what it saw on the wire, and misbehaves on
//! command.
//!
//! It speaks `http-stream` without any kit, for most of what it is told to do no kit would. A call
//! whose body begins with a line `witness` is a list of steps; any other is answered with what was
//! seen of it ([`Sight`]). `WITNESS_START` in its environment says how to announce the socket.

mod sight;
mod start;
mod steps;

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bytes::{Buf as _, BytesMut};

use hotfn_protocols::http1::{Event, Limits, RequestDecoder};

pub(crate) use self::sight::{Sight, checksum};

/// Calls it works on at this moment, and the most it ever did.
static TOGETHER: AtomicUsize = AtomicUsize::new(0);
static TOGETHER_MAX: AtomicUsize = AtomicUsize::new(0);

/// Serves as its environment says, until the process is ended: a program's whole `main`.
#[must_use]
pub fn witness() -> ExitCode {
    let listener = match start::listener() {
        Ok(Some(listener)) => listener,
        Ok(None) => return ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("witness cannot listen: {e}");
            return ExitCode::FAILURE;
        }
    };
    for (number, stream) in listener.incoming().enumerate() {
        match stream {
            Ok(stream) => drop(thread::spawn(move || converse(stream, number))),
            Err(e) => {
                eprintln!("witness cannot accept: {e}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// One call after another on a connection.
fn converse(mut stream: UnixStream, connection: usize) {
    let mut kept = BytesMut::new();
    while let Ok(Some((head, body))) = next(&mut stream, &mut kept) {
        let together = TOGETHER.fetch_add(1, Ordering::SeqCst) + 1;
        TOGETHER_MAX.fetch_max(together, Ordering::SeqCst);
        let sight = Sight::of(head, &body, connection, TOGETHER_MAX.load(Ordering::SeqCst));
        let done = steps::follow(&mut stream, &body, &sight);
        TOGETHER.fetch_sub(1, Ordering::SeqCst);
        if done.is_err() {
            return;
        }
    }
}

/// The next call: its head as it came, and its body. `None` if the connection ends before it.
fn next(stream: &mut UnixStream, kept: &mut BytesMut) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut decoder = RequestDecoder::new(Limits::default());
    let (mut head, mut body, mut in_head) = (Vec::new(), Vec::new(), true);
    loop {
        let before = kept.clone();
        match decoder.decode(kept).map_err(io::Error::other)? {
            Some(Event::Head(_)) => {
                in_head = false;
                head = before[..before.remaining() - kept.remaining()].to_vec();
            }
            Some(Event::Data(data)) => body.extend_from_slice(&data),
            Some(Event::End) => return Ok(Some((head, body))),
            None => {
                let mut piece = [0; 16 << 10];
                match stream.read(&mut piece)? {
                    0 if in_head && kept.is_empty() => return Ok(None),
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    read => kept.extend_from_slice(&piece[..read]),
                }
            }
        }
    }
}
