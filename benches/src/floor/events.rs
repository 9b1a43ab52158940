//! One epoll, level-triggered, and what is asked of it.
//!
//! A connection is asked for what can be read. Only while bytes wait for room in a socket is the one
//! asked for room, and the other for nothing: small messages never cost a system call here.

use std::os::fd::{AsFd, OwnedFd};

use anyhow::Result;
use rustix::event::epoll::{self, EventFlags};

/// Events taken from the kernel at a time.
const EVENTS_MAX: usize = 256;

/// The epoll.
pub(crate) struct Events(OwnedFd);

/// A stream that is watched.
pub(crate) struct Watched<S> {
    pub(crate) stream: S,
    token: u64,
    asked: EventFlags,
}

impl Events {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    /// Watches `stream` for what can be read; its events carry `token`.
    pub(crate) fn watch<S: AsFd>(&self, stream: S, token: u64) -> Result<Watched<S>> {
        let asked = EventFlags::IN;
        epoll::add(&self.0, &stream, epoll::EventData::new_u64(token), asked)?;
        Ok(Watched { stream, token, asked })
    }

    /// Asks for other events of `watched`, if they are others.
    pub(crate) fn ask<S: AsFd>(&self, watched: &mut Watched<S>, reads: bool, writes: bool) -> Result<()> {
        let mut wanted = EventFlags::empty();
        wanted.set(EventFlags::IN, reads);
        wanted.set(EventFlags::OUT, writes);
        if wanted != watched.asked {
            epoll::modify(&self.0, &watched.stream, epoll::EventData::new_u64(watched.token), wanted)?;
            watched.asked = wanted;
        }
        Ok(())
    }

    /// Hands each event's token to `on`, for ever.
    pub(crate) fn each(&self, mut on: impl FnMut(u64) -> Result<()>) -> Result<()> {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        loop {
            events.clear();
            match epoll::wait(&self.0, rustix::buffer::spare_capacity(&mut events), None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
            for event in &events {
                on(event.data.u64())?;
            }
        }
    }
}
