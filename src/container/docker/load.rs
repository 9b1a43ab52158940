//! A file of images on its way into an engine.

use std::fs::File;
use std::io::{self, Read};

use bytes::Bytes;
use futures_util::Stream;

/// Bytes read at a time, away from the runtime's own threads.
const CHUNK_BYTES: usize = 256 << 10;

/// The file's bytes.
pub(super) fn chunks(file: File) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    futures_util::stream::unfold(Some(file), |file| async {
        let mut file = file?;
        let read = tokio::task::spawn_blocking(move || {
            let mut chunk = vec![0; CHUNK_BYTES];
            let read = file.read(&mut chunk).map(|n| {
                chunk.truncate(n);
                Bytes::from(chunk)
            });
            (read, file)
        });
        match read.await {
            Ok((Ok(chunk), _)) if chunk.is_empty() => None,
            Ok((Ok(chunk), file)) => Some((Ok(chunk), Some(file))),
            Ok((Err(e), _)) => Some((Err(e), None)),
            Err(e) => Some((Err(e.into()), None)),
        }
    })
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
    async fn a_file_comes_whole() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let text = b"0123456789".repeat(60_000);
        io::Write::write_all(&mut file, &text).unwrap();
        let read: Vec<Bytes> = chunks(file.reopen().unwrap()).map(Result::unwrap).collect().await;
        assert_eq!(read.concat(), text);
    }

    #[test]
    fn an_engine_says_what_it_has_loaded() {
        assert_eq!(loaded("Loaded image: a/b:c\n"), Some("a/b:c"));
        assert_eq!(loaded("Loaded image ID: sha256:00\n"), Some("sha256:00"));
        assert_eq!(loaded("Loading layer"), None);
    }
}
