//! An archive of images on its way into an engine.

use std::io::{self, BufWriter, Write};

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::mpsc;

/// Bytes that are handed on at a time,
const CHUNK_BYTES: usize = 256 << 10;
/// and how many of these may wait for the engine.
const CHUNKS_MAX: usize = 4;

/// What `write` writes, away from the runtime's own threads, as a body that an engine reads. Its failure
/// is the body's.
pub(super) fn piped(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (tell, mut chunks) = mpsc::channel(CHUNKS_MAX);
    tokio::task::spawn_blocking(move || {
        let mut into = BufWriter::with_capacity(CHUNK_BYTES, Chunks(tell.clone()));
        if let Err(e) = write(&mut into).and_then(|()| into.flush()) {
            // What is still buffered is of no use to anybody.
            let _ = into.into_parts();
            // Unless nobody reads any more, which is why it failed then.
            let _ = tell.blocking_send(Err(e));
        }
    });
    futures_util::stream::poll_fn(move |cx| chunks.poll_recv(cx))
}

struct Chunks(mpsc::Sender<io::Result<Bytes>>);

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The image that an engine says it has loaded.
pub(super) fn loaded(line: &str) -> Option<&str> {
    let line = line.trim();
    line.strip_prefix("Loaded image: ").or_else(|| line.strip_prefix("Loaded image ID: "))
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn what_is_written_comes_whole_and_a_failure_last() {
        let text = b"0123456789".repeat(200_000);
        let written = text.clone();
        let read: Vec<Bytes> = piped(move |into| into.write_all(&written)).map(Result::unwrap).collect().await;
        assert_eq!(read.concat(), text);
        let read: Vec<_> =
            piped(|into| into.write_all(b"x").and_then(|()| Err(io::ErrorKind::Other.into()))).collect().await;
        assert!(read.last().unwrap().is_err(), "{read:?}");
        drop(piped(move |into| into.write_all(&text)));
    }

    #[test]
    fn an_engine_says_what_it_has_loaded() {
        assert_eq!(loaded("Loaded image: a/b:c\n"), Some("a/b:c"));
        assert_eq!(loaded("Loaded image ID: sha256:00\n"), Some("sha256:00"));
        assert_eq!(loaded("Loading layer"), None);
    }
}
