//! A detached call's body on its way in: whole, within its bound, and in time.
//!
//! Memory is taken as the bytes come and not as they are announced. Whoever announces a long body and
//! sends nothing of it has no more than a connection, and keeps nobody else's call out.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use hotfn_protocols::{Body, BodyError, Fault, Kind};

use super::room::Room;

/// How long a body may take to come. A call that is waited for has its function's timeout for that;
/// this is instead of one.
const PATIENCE: Duration = Duration::from_secs(60);

/// Takes in `body`, of at most `bytes_max` bytes, and memory for it.
///
/// # Errors
/// When it is too long, breaks off or comes too slowly, or memory is short.
pub(super) async fn take_in(body: Body, bytes_max: u64, room: &Room) -> Result<(Bytes, OwnedSemaphorePermit), Fault> {
    if let Some(whole) = body.as_bytes() {
        let bytes = whole.len() as u64;
        within(bytes, bytes_max)?;
        return Ok((whole.clone(), room.memory(bytes).ok_or_else(|| room.no_memory())?));
    }
    let announced = body.len().unwrap_or_default();
    within(announced, bytes_max)?;
    if announced > room.memory_left() {
        return Err(room.no_memory());
    }
    let late = |_| Fault::new(Kind::CallSlow).because(format!("its body did not come within {PATIENCE:?}"));
    timeout(PATIENCE, gather(body, bytes_max, room)).await.map_err(late)?
}

async fn gather(mut body: Body, bytes_max: u64, room: &Room) -> Result<(Bytes, OwnedSemaphorePermit), Fault> {
    let mut memory = room.memory(0).ok_or_else(|| room.no_memory())?;
    let mut all = BytesMut::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(BodyError::into_call_fault)?;
        let bytes = all.len() as u64 + piece.len() as u64;
        within(bytes, bytes_max)?;
        room.grow(&mut memory, bytes)?;
        all.extend_from_slice(&piece);
    }
    Ok((all.freeze(), memory))
}

fn within(bytes: u64, max: u64) -> Result<(), Fault> {
    if bytes <= max {
        return Ok(());
    }
    let reason = format!("a detached call's body is at most {max} bytes");
    Err(Fault::new(Kind::RequestTooLarge).because(reason).caused_by(BodyError::TooLarge { max }))
}

#[cfg(test)]
mod tests {
    use futures_util::stream::{self, StreamExt as _};
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    /// So many pieces of so many bytes, and then nothing more, nor an end.
    fn stuck(pieces: usize, bytes: usize) -> Body {
        let piece = move |_| Ok::<_, BodyError>(Frame::data(Bytes::from(vec![b'x'; bytes])));
        let pieces = stream::iter(0..pieces).map(piece).chain(stream::pending());
        Body::stream(StreamBody::new(Box::pin(pieces)))
    }

    fn room(memory: u64) -> Room {
        Room::new(10, 1 << 30, memory)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
        let room = room(1 << 20);
        let fault = take_in(stuck(3, 100), 1 << 20, &room).await.unwrap_err();
        assert_eq!((fault.kind(), fault.reason()), (Kind::CallSlow, Some("its body did not come within 60s")));
        assert_eq!(room.memory_left(), 1 << 20, "and what was taken for it is free again");
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_taken_as_bytes_come_however_small_the_pieces() {
        let room = room(8 << 10);
        let meanwhile = async {
            tokio::task::yield_now().await;
            room.memory_left()
        };
        tokio::select! {
            biased;
            _ = take_in(stuck(3000, 1), 1 << 20, &room) => panic!("it is stuck"),
            left = meanwhile => assert_eq!(left, 5 << 10),
        }
        let fault = take_in(stuck(9, 1 << 10), 1 << 20, &room).await.unwrap_err();
        assert_eq!(fault.kind(), Kind::Busy);
        let fault = take_in(stuck(9, 1 << 10), 2 << 10, &room).await.unwrap_err();
        assert_eq!(fault.kind(), Kind::RequestTooLarge);
        let (body, _memory) = take_in("whole".into(), 5, &room).await.unwrap();
        assert_eq!((&*body, room.memory_left()), (&b"whole"[..], 7 << 10));
        assert_eq!(take_in("longer".into(), 5, &room).await.unwrap_err().kind(), Kind::RequestTooLarge);
    }
}
