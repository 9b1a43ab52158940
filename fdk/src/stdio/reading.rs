//! An input as a body.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use tokio::io::{AsyncRead, ReadBuf};

use super::READ_BYTES;

/// What is read, piece by piece, until the input ends.
pub(super) struct Reading<R> {
    input: R,
    buffer: BytesMut,
}

impl<R> Reading<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, buffer: BytesMut::new() }
    }
}

impl<R: AsyncRead + Unpin> http_body::Body for Reading<R> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Self { input, buffer } = &mut *self;
        ready!(poll_fill(Pin::new(input), cx, buffer))?;
        Poll::Ready((!buffer.is_empty()).then(|| Ok(Frame::data(buffer.split().freeze()))))
    }
}

/// Appends what is there to read; nothing at the end.
pub(super) fn poll_fill(
    input: Pin<&mut impl AsyncRead>,
    cx: &mut Context<'_>,
    buffer: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    let before = buffer.len();
    buffer.resize(before + READ_BYTES, 0);
    let mut room = ReadBuf::new(&mut buffer[before..]);
    let read = input.poll_read(cx, &mut room);
    let filled = room.filled().len();
    buffer.truncate(before + filled);
    read.map_ok(|()| filled)
}
