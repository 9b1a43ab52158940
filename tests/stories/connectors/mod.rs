//! Connectors from outside: in a node, and on the command line.

mod command_line;
mod node;

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// How long an exchange may take. Far above what it does.
const BOUND: Duration = Duration::from_secs(60);

/// Connects, sends `text`, says that this was all, and takes everything that comes back.
async fn exchange(path: &Path, text: &str) -> String {
    let talk = async {
        let mut stream = UnixStream::connect(path).await.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut back = String::new();
        stream.read_to_string(&mut back).await.unwrap();
        back
    };
    tokio::time::timeout(BOUND, talk).await.unwrap_or_else(|_| panic!("no end of an exchange within {BOUND:?}"))
}
