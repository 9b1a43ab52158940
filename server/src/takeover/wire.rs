//! What predecessor and successor say to each other: a JSON document a packet, sockets along with it.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use serde::{Deserialize, Serialize};

use hotfn_socket::{AsyncPackets, FILES_MAX};

use crate::front::Address;
use crate::front::listener::Handed;

/// Bytes of a packet: as many sockets as one carries, each named by a path, and every byte of it escaped.
const PACKET_BYTES_MAX: usize = 32 << 10;

/// Sockets that one packet carries.
pub(super) const SOCKETS_MAX: usize = FILES_MAX;

/// What is said.
#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Said {
    /// The successor would like to take over.
    Want { version: String },
    /// Some of the predecessor's sockets, by name and in the order in which they come along.
    Sockets { names: Vec<String>, memory_mb: u64, cpu_milli: u64, has_more: bool },
    /// The successor answers calls.
    Ready,
    /// The predecessor has let go of what cannot be shared.
    Released,
}

/// What a socket for calls is called on its way.
pub(super) fn name(socket: Handed) -> (String, OwnedFd) {
    match socket {
        Handed::Left(path, socket) => (Address::Unix(path).to_string(), socket),
        Handed::Managed(socket) => (super::HTTP.to_owned(), socket),
    }
}

/// The socket for calls that is called `name`.
///
/// # Errors
/// The socket, if it is for something else.
pub(super) fn for_calls(name: &str, socket: OwnedFd) -> Result<Handed, OwnedFd> {
    match name.parse() {
        _ if name == super::HTTP => Ok(Handed::Managed(socket)),
        Ok(Address::Unix(path)) => Ok(Handed::Left(path, socket)),
        _ => Err(socket),
    }
}

/// Says `what`, and passes `sockets` on.
pub(super) async fn say(packets: &AsyncPackets, what: &Said, sockets: &[OwnedFd]) -> io::Result<()> {
    let text = serde_json::to_vec(what).expect("what is said has text for keys");
    let sockets: Vec<_> = sockets.iter().map(|socket| socket.as_fd()).collect();
    packets.send(&text, &sockets).await
}

/// Hears what the other says. `UnexpectedEof` when it has gone.
pub(super) async fn hear(packets: &AsyncPackets) -> io::Result<(Said, Vec<OwnedFd>)> {
    let mut room = vec![0; PACKET_BYTES_MAX];
    let received = packets.recv(&mut room).await?;
    if received.bytes == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the other process went away"));
    }
    let said = serde_json::from_slice(&room[..received.bytes])?;
    Ok((said, received.files))
}

/// What was said is not what was to be said.
pub(super) fn unexpected(said: &Said) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the other process said {said:?} out of turn"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_the_same_from_one_version_to_the_next() {
        let check = |said: Said, text: &str| {
            assert_eq!(serde_json::to_string(&said).unwrap(), text);
            assert_eq!(serde_json::from_str::<Said>(text).unwrap(), said);
        };
        check(Said::Want { version: "1".to_owned() }, r#"{"want":{"version":"1"}}"#);
        let sockets = Said::Sockets { names: vec!["http".to_owned()], memory_mb: 1, cpu_milli: 2, has_more: false };
        check(sockets, r#"{"sockets":{"names":["http"],"memory_mb":1,"cpu_milli":2,"has_more":false}}"#);
        check(Said::Ready, r#""ready""#);
        check(Said::Released, r#""released""#);
    }
}
