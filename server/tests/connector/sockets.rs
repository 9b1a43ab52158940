//! The socket and its path: who may open it, when it is there, and what kinds there are.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType};

use super::*;

#[tokio::test]
async fn the_mode_is_the_one_that_was_asked_for() {
    for (text, mode) in [("=600", 0o600), ("600", 0o600), ("u=rw,g=r", 0o640), ("ug=rw,o=", 0o660)] {
        let stage = Stage::new();
        let path = stage.lines(json!({"permissions": text}));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{text}");
    }
}

#[tokio::test]
async fn a_stale_socket_is_replaced_a_living_one_and_a_file_are_not() {
    let stage = Stage::new();
    drop(std::os::unix::net::UnixListener::bind(stage.path("lines")).unwrap());
    let path = stage.lines(json!({}));
    let second = stage.start("second", "unix_socket_server", json!({})).unwrap_err();
    assert!(matches!(second, StartError::Socket { .. }), "{second}");
    stage.connectors.stop("lines").await.unwrap();
    assert!(!path.exists());
    std::fs::write(&path, "precious").unwrap();
    assert!(stage.start("lines", "unix_socket_server", json!({})).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_path_that_another_has_taken_over_stays() {
    let stage = Stage::new();
    let path = stage.lines(json!({}));
    std::fs::remove_file(&path).unwrap();
    let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
    stage.connectors.stop_all().await;
    assert!(path.exists());
}

#[tokio::test]
async fn those_who_are_not_allowed_are_refused() {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    for (allow, is_served) in [
        (json!([uid]), true),
        (json!([format!("gid:{gid}")]), true),
        (json!([uid + 1]), false),
        (json!([format!("gid:{}", gid + 1)]), false),
    ] {
        let stage = Stage::new();
        let path = stage.lines(json!({"allow": allow}));
        let mut peer = Peer::connect(&path).await;
        let _ = peer.write.write_all(b"1\n").await;
        assert_eq!(peer.line().await.is_some(), is_served, "{allow}");
    }
}

/// A socket of packets that is connected to `path`, and has `own` for its own name.
fn packets(kind: SocketType, path: &Path, own: Option<&Path>) -> OwnedFd {
    let socket = rustix::net::socket(AddressFamily::UNIX, kind, None).unwrap();
    if let Some(own) = own {
        rustix::net::bind(&socket, &SocketAddrUnix::new(own).unwrap()).unwrap();
    }
    rustix::net::connect(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
    socket
}

async fn exchange(socket: OwnedFd, packets: &[&str]) -> Vec<String> {
    let packets: Vec<_> = packets.iter().map(|packet| (*packet).to_owned()).collect();
    let blocking = tokio::task::spawn_blocking(move || {
        let mut back = Vec::new();
        for packet in packets {
            rustix::net::send(&socket, packet.as_bytes(), SendFlags::empty()).unwrap();
            let mut buf = [0; 256];
            let (read, _) = rustix::net::recv(socket.as_fd(), &mut buf, RecvFlags::empty()).unwrap();
            back.push(String::from_utf8(buf[..read].to_vec()).unwrap());
        }
        back
    });
    soon(blocking).await.unwrap()
}

#[tokio::test]
async fn each_packet_of_a_connection_is_a_frame() {
    let stage = Stage::new();
    let plain = json!({"socket": "seqpacket", "preprocessors": [], "postprocessors": []});
    let path = stage.lines(plain);
    let socket = packets(SocketType::SEQPACKET, &path, None);
    assert_eq!(exchange(socket, &["{\"a\": 1}", "[2]"]).await, ["{\"a\":1}", "[2]"]);
}

#[tokio::test]
async fn a_sender_of_packets_with_a_name_is_answered() {
    let stage = Stage::new();
    let path = stage.lines(json!({"socket": "dgram", "preprocessors": [], "postprocessors": []}));
    let nameless = packets(SocketType::DGRAM, &path, None);
    rustix::net::send(&nameless, b"{}", SendFlags::empty()).unwrap();
    let named = packets(SocketType::DGRAM, &path, Some(&stage.path("own")));
    assert_eq!(exchange(named, &["1", "2"]).await, ["1", "2"]);
    until(|| stage.shown("lines")["counts"]["undelivered"] == 1).await;
}

#[tokio::test]
async fn a_packet_that_is_longer_than_a_read_is_told_of() {
    let stage = Stage::new();
    let cut = json!({"socket": "seqpacket", "preprocessors": [], "postprocessors": [], "buf_size": 4});
    let path = stage.lines(cut);
    let socket = packets(SocketType::SEQPACKET, &path, None);
    rustix::net::send(&socket, b"\"too long\"", SendFlags::empty()).unwrap();
    assert_eq!(exchange(socket, &["[1]"]).await, ["[1]"]);
    assert_eq!(stage.shown("lines")["counts"]["errors"]["frame"], 1);
}
