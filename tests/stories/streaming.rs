//! Bodies stream both ways: the node's memory does not grow with them.

use std::time::Duration;

use bytes::Bytes;
use hotfn_tests::client::{self, pieces};
use hotfn_tests::node::{Function, Home};
use hotfn_tests::{binaries, processes};
use http_body_util::BodyExt;

const MIB: u64 = 1 << 20;
const PIECE: usize = 64 << 10;

#[tokio::test]
async fn a_gibibyte_through_echo_leaves_memory_flat() {
    let home = Home::of(&[Function::new("echo", &binaries::image("echo")).set("timeout", 300)]);
    let node = home.start().await;
    // What buffers there are get their size with the first part.
    let warm = stream_through(&node, 64 * MIB).await;
    let most = stream_through(&node, 1024 * MIB).await;
    let grown = most.saturating_sub(warm);
    assert!(grown <= 2 * MIB, "from {} KiB to {} KiB", warm >> 10, most >> 10);
}

/// Sends `bytes` and reads them back; gives the most memory the node held meanwhile.
async fn stream_through(node: &hotfn_tests::node::Node, bytes: u64) -> u64 {
    let piece = Bytes::from(vec![b'x'; PIECE]);
    let count = usize::try_from(bytes).unwrap() / PIECE;
    let body = pieces(std::iter::repeat_n(piece, count));
    let stream = async {
        let mut connection = node.connect().await;
        let response = connection.send(client::invoke("echo", body)).await.unwrap();
        assert_eq!(response.status(), 200);
        let (mut answer, mut came, mut most) = (response.into_body(), 0, 0);
        let mut look_at = 0;
        while let Some(frame) = answer.frame().await {
            came += frame.unwrap().into_data().unwrap().len() as u64;
            if came >= look_at {
                most = most.max(processes::rss_bytes(node.pid()));
                look_at = came + 16 * MIB;
            }
        }
        assert_eq!(came, bytes);
        most.max(processes::rss_bytes(node.pid()))
    };
    tokio::time::timeout(Duration::from_secs(150), stream).await.expect("a gibibyte passes in 150 s")
}
