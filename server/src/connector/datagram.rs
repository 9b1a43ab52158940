//! A connector without connections: each packet is a frame, or some, from whoever sent it.
//!
//! A sender whose own socket has a name gets its replies there, and a number, as a connection
//! would; one whose socket has none can be answered by nobody. Numbers are kept for as many senders
//! as there may be connections; then all are forgotten, and given anew.
//!
//! What goes wrong is told as on a connection, but nothing can be closed.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::Bytes;
use rustix::net::{RecvFlags, SendFlags, SocketAddrUnix};
use tokio::io::unix::AsyncFd;

use super::callee::Answer;
use super::calls::{Calls, Done};
use super::codec::Value;
use super::definition::Policy;
use super::desk::Desk;
use super::inbound::Inbound;
use super::listener::Listener;
use super::origin::Origin;
use super::outbound::Outbound;
use super::outbox::Outbox;
use super::peers::Present;
use super::session::now_ns;
use super::trouble::{Kind, Trouble};

/// Who sends, as far as it can be answered.
#[derive(Default)]
struct Senders {
    known: HashMap<SocketAddrUnix, Present>,
}

/// A packet that was received, as far as it was followed. One may hold any number of events.
struct Packet {
    inbound: Inbound,
    origin: Arc<Origin>,
}

/// Events of a packet that are followed before whoever writes down what came of them is waited for.
const TURN_EVENTS: usize = 1024;

/// Serves whoever sends, until the connector stops and what is under way is done.
pub(super) async fn serve(desk: Arc<Desk>, listener: Listener) {
    let mut receiving = Receiving {
        calls: Calls::new(false),
        senders: Senders::default(),
        buf: vec![0; desk.definition.socket.buf_bytes],
        packet: None,
        desk,
    };
    let socket = listener.socket();
    let stop = receiving.desk.stop.clone();
    loop {
        receiving.follow(socket);
        receiving.desk.flush().await;
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            done = std::future::poll_fn(|cx| receiving.calls.poll_done(cx)) => receiving.finish(done, socket),
            () = tokio::task::yield_now(), if receiving.packet.is_some() && receiving.has_room() => {}
            ready = socket.readable(), if receiving.packet.is_none() && receiving.has_room() => match ready {
                Ok(mut guard) => {
                    // If nothing is there after all, it says so when something is.
                    let _ = guard.try_io(|socket| receiving.receive(socket));
                }
                Err(e) => tracing::warn!(connector = receiving.desk.definition.name, "cannot receive: {e}"),
            },
        }
    }
    let drain = receiving.desk.definition.bounds.drain;
    let rest = async {
        loop {
            receiving.follow(socket);
            receiving.desk.flush().await;
            if !receiving.calls.is_empty() {
                let done = std::future::poll_fn(|cx| receiving.calls.poll_done(cx)).await;
                receiving.finish(done, socket);
            } else if receiving.packet.is_none() {
                return;
            }
        }
    };
    // What is not done by then is given up.
    let _ = tokio::time::timeout(drain, rest).await;
}

struct Receiving {
    desk: Arc<Desk>,
    calls: Calls,
    senders: Senders,
    buf: Vec<u8>,
    /// The last packet, while there are events in it yet. None is received before.
    packet: Option<Packet>,
}

impl Receiving {
    fn has_room(&self) -> bool {
        self.calls.len() < self.desk.definition.bounds.in_flight_total
    }

    fn receive(&mut self, socket: &AsyncFd<OwnedFd>) -> std::io::Result<()> {
        let (read, length, from) = rustix::net::recvfrom(socket, &mut self.buf[..], RecvFlags::TRUNC)?;
        let from = from.and_then(|from| SocketAddrUnix::try_from(from).ok()).filter(|from| from.path().is_some());
        let sender = self.senders.number(&self.desk, from);
        self.desk.counts.bytes_in.add(read as u64);
        if length > read {
            let what = format!("packet is longer than buf_size, {read} bytes");
            self.wrong(&Trouble::new(Kind::Frame, what), sender, 0, socket);
            return Ok(());
        }
        let mut inbound = Inbound::new(&self.desk.definition).expect("the definition was checked when it was read");
        let origin = Arc::new(Origin::new(&self.desk.definition, sender, None, inbound.content_type()));
        inbound.feed(Bytes::copy_from_slice(&self.buf[..read]));
        inbound.finish();
        self.packet = Some(Packet { inbound, origin });
        Ok(())
    }

    /// Has the events of the packet answered, as long as there is room for them.
    fn follow(&mut self, socket: &AsyncFd<OwnedFd>) {
        let Some(Packet { mut inbound, origin }) = self.packet.take() else { return };
        let frames = inbound.frames();
        let mut is_over = false;
        for _ in 0..TURN_EVENTS {
            if !self.has_room() {
                break;
            }
            match inbound.next(now_ns()) {
                None => {
                    is_over = true;
                    break;
                }
                Some(Err((trouble, seq))) => self.wrong(&trouble, origin.peer, seq, socket),
                Some(Ok(event)) => {
                    let (desk, origin) = (self.desk.clone(), origin.clone());
                    let (seq, ingest_ns) = (event.seq, event.ingest_ns);
                    self.calls.push(Box::pin(async move {
                        let (outcome, entry) = desk.answer(event, &origin).await;
                        Done { seq, peer: origin.peer, ingest_ns, outcome, entry }
                    }));
                }
            }
        }
        self.desk.counts.frames_in.add(inbound.frames() - frames);
        if !is_over {
            self.packet = Some(Packet { inbound, origin });
        }
    }

    fn finish(&mut self, done: Done, socket: &AsyncFd<OwnedFd>) {
        let Done { peer, seq, ingest_ns, outcome, entry } = done;
        self.desk.done(entry, &outcome);
        let value = match outcome {
            Ok(Answer { value, .. }) => value,
            Err(trouble) => {
                self.wrong(&trouble, peer, seq, socket);
                None
            }
        };
        if let Some(value) = value {
            if self.desk.replies {
                self.send(&value, ingest_ns, peer, seq, socket);
            }
            if let Err(trouble) = self.desk.spread(&value, ingest_ns) {
                self.desk.report(&trouble, peer, seq);
            }
        }
    }

    /// An event went wrong.
    fn wrong(&mut self, trouble: &Trouble, sender: u64, seq: u64, socket: &AsyncFd<OwnedFd>) {
        let policy = self.desk.definition.policies.of(trouble.kind);
        match policy {
            Policy::Drop => self.desk.count(trouble),
            Policy::Close | Policy::Reply | Policy::Report => self.desk.report(trouble, sender, seq),
        }
        if policy == Policy::Reply {
            let record = trouble.to_record(&self.desk.definition.name, sender, seq);
            self.send(&Value::Tree(record), 0, sender, seq, socket);
        }
    }

    /// Sends a value to a sender, if it has a name to be answered by.
    fn send(&self, value: &Value, ingest_ns: u64, sender: u64, seq: u64, socket: &AsyncFd<OwnedFd>) {
        let Some(to) = self.senders.address(sender) else {
            return self.desk.counts.undelivered.add(1);
        };
        let mut outbox = Outbox::default();
        let sent = Outbound::new(&self.desk.definition)
            .expect("the definition was checked when it was read")
            .put(value, ingest_ns, &mut outbox)
            .and_then(|()| send(socket, &mut outbox, to));
        match sent {
            Ok((frames, bytes)) => {
                self.desk.counts.frames_out.add(frames);
                self.desk.counts.bytes_out.add(bytes);
            }
            Err(trouble) => self.desk.report(&trouble, sender, seq),
        }
    }
}

/// Sends what waits; a receiver that has no room loses it, as datagrams do.
fn send(socket: &AsyncFd<OwnedFd>, outbox: &mut Outbox, to: &SocketAddrUnix) -> Result<(u64, u64), Trouble> {
    let (mut frames, mut bytes) = (0, 0);
    while let Some(packet) = outbox.first() {
        let sent = rustix::net::sendto(socket, packet, SendFlags::NOSIGNAL | SendFlags::DONTWAIT, to);
        bytes += sent.map_err(|e| Trouble::new(Kind::Write, format!("reply cannot be sent: {e}")))? as u64;
        frames += 1;
        outbox.advance_packet();
    }
    Ok((frames, bytes))
}

impl Senders {
    /// The number of whoever has this address; a new one for a sender that has none.
    fn number(&mut self, desk: &Desk, from: Option<SocketAddrUnix>) -> u64 {
        let Some(from) = from else { return desk.peers.begin(0).id };
        if let Some(present) = self.known.get(&from) {
            return present.id;
        }
        if self.known.len() >= desk.definition.bounds.connections_max {
            self.known.clear();
        }
        let present = desk.peers.begin(0);
        let id = present.id;
        self.known.insert(from, present);
        id
    }

    fn address(&self, number: u64) -> Option<&SocketAddrUnix> {
        self.known.iter().find(|(_, present)| present.id == number).map(|(from, _)| from)
    }
}
