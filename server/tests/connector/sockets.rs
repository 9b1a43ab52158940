//! The socket and its path: who may open it, when it is there, and what kinds there are.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType};

use super::*;

/// Case 27; that it is never wider, not for a moment, is shown where paths are claimed, in `socket`.
#[tokio::test]
async fn the_mode_is_the_one_that_was_asked_for() {
    for (text, mode) in [("=600", 0o600), ("600", 0o600), ("u=rw,g=r", 0o640), ("ug=rw,o=", 0o660)] {
        let stage = Stage::new();
        let path = stage.lines(json!({"permissions": text}));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{text}");
    }
}

/// Cases 28 and 29.
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

/// Case 29.
#[tokio::test]
async fn a_path_that_another_has_taken_over_stays() {
    let stage = Stage::new();
    let path = stage.lines(json!({}));
    std::fs::remove_file(&path).unwrap();
    let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
    stage.connectors.stop_all().await;
    assert!(path.exists());
}

/// Case 30.
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

/// Case 31.
#[tokio::test]
async fn each_packet_of_a_connection_is_a_frame() {
    let stage = Stage::new();
    let plain = json!({"socket": "seqpacket", "preprocessors": [], "postprocessors": []});
    let path = stage.lines(plain);
    let socket = packets(SocketType::SEQPACKET, &path, None);
    assert_eq!(exchange(socket, &["{\"a\": 1}", "[2]"]).await, ["{\"a\":1}", "[2]"]);
}

/// Case 20, of packets.
#[tokio::test]
async fn calls_of_a_peer_of_packets_end_when_it_leaves() {
    let stage = Stage::answering(|_| std::future::pending());
    let path = stage.lines(json!({"socket": "seqpacket", "preprocessors": [], "postprocessors": [], "call": "f"}));
    let socket = packets(SocketType::SEQPACKET, &path, None);
    rustix::net::send(&socket, b"{}", SendFlags::empty()).unwrap();
    until(|| stage.shown("lines")["in_flight"] == 1).await;
    drop(socket);
    until(|| stage.shown("lines")["peers"].as_array().unwrap().is_empty()).await;
    assert_eq!(stage.shown("lines")["in_flight"], 0);
}

/// Case 31.
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

#[tokio::test]
async fn a_link_in_the_path_is_never_followed_nor_removed() {
    let stage = Stage::new();
    let elsewhere = stage.path("elsewhere");
    let _owner = std::os::unix::net::UnixListener::bind(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, stage.path("lines")).unwrap();
    let refused = stage.start("lines", "unix_socket_server", json!({})).unwrap_err();
    assert!(std::error::Error::source(&refused).unwrap().to_string().contains("is not a socket"), "{refused}");
    assert_eq!(std::fs::read_link(stage.path("lines")).unwrap(), elsewhere);
    assert!(elsewhere.exists());
}

#[tokio::test]
async fn what_a_datagram_says_wrongly_is_told_to_its_sender() {
    let stage = Stage::new();
    let plain = json!({
        "socket": "dgram", "preprocessors": [], "postprocessors": [], "on_decode_error": "reply", "buf_size": 64,
        "on_frame_error": "reply",
    });
    let path = stage.lines(plain);
    let named = packets(SocketType::DGRAM, &path, Some(&stage.path("own")));
    let told = exchange(named, &["nonsense", &"x".repeat(100), "[1]"]).await;
    assert!(told[0].contains("\"kind\":\"decode\"") && told[1].contains("longer than buf_size"), "{told:?}");
    assert_eq!(told[2], "[1]");
}

/// Case 31: a client of datagrams, which hears nothing and notices at its next word that nobody listens.
#[tokio::test]
async fn a_client_may_send_datagrams() {
    let stage = Stage::new();
    let receiver = rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None).unwrap();
    rustix::net::bind(&receiver, &SocketAddrUnix::new(stage.path("lines")).unwrap()).unwrap();
    std::fs::write(stage.path("in"), "1\n[2]\n").unwrap();
    let client = json!({
        "socket": "dgram", "postprocessors": [], "from": format!("file:{}", stage.path("in").display()),
    });
    stage.start("client", "unix_socket_client", client).unwrap();
    soon(stage.connectors.finished("client")).await;
    assert_eq!(stage.shown("client")["state"]["state"], "finished");
    let packet = || {
        let mut buf = [0; 64];
        let (read, _) = rustix::net::recv(&receiver, &mut buf[..], RecvFlags::DONTWAIT).unwrap();
        String::from_utf8(buf[..read].to_vec()).unwrap()
    };
    assert_eq!([packet(), packet()], ["1", "[2]"]);
}

#[tokio::test]
async fn a_packet_of_many_events_is_followed_as_there_is_room() {
    let (go, wait) = tokio::sync::watch::channel(false);
    let stage = Stage::answering(move |_| {
        let mut wait = wait.clone();
        async move {
            let _ = wait.wait_for(|go| *go).await;
            Ok(Reply::default())
        }
    });
    let options = json!({"socket": "dgram", "call": "f", "in_flight_total": 2, "buf_size": "64KiB"});
    let path = stage.lines(options);
    let socket = packets(SocketType::DGRAM, &path, None);
    let frames_in = || stage.shown("lines")["counts"]["frames_in"].as_u64().unwrap();
    rustix::net::send(&socket, "{}\n".repeat(5000).as_bytes(), SendFlags::empty()).unwrap();
    rustix::net::send(&socket, b"{}\n", SendFlags::empty()).unwrap();
    until(|| stage.shown("lines")["in_flight"] == 2).await;
    assert_eq!(frames_in(), 2, "the others wait in their packet");
    go.send(true).unwrap();
    until(|| frames_in() == 5001).await;
}

#[tokio::test]
async fn a_packet_that_no_socket_takes_is_lost_alone() {
    let stage = Stage::new();
    let out = stage.path("out");
    let plain = json!({"socket": "seqpacket", "preprocessors": [], "to": [format!("file:{}", out.display())]});
    stage.lines(plain);
    // Longer than what the kernel has for what is sent on a connection.
    std::fs::write(stage.path("in"), format!("1\n\"{}\"\n[2]\n", "x".repeat(900_000))).unwrap();
    let client = json!({
        "socket": "seqpacket", "postprocessors": [], "from": format!("file:{}", stage.path("in").display()),
        "reconnect": {"retry": {"interval_ms": 10, "randomized": false}}, "to": ["discard"],
    });
    stage.start("client", "unix_socket_client", client).unwrap();
    until(|| std::fs::read_to_string(&out).is_ok_and(|text| text == "1\n[2]\n")).await;
    let counts = stage.shown("client")["counts"].clone();
    assert_eq!((&counts["undelivered"], &counts["reconnects"]), (&json!(1), &json!(0)), "{counts}");
}

#[tokio::test]
async fn a_client_of_datagrams_comes_back_when_its_receiver_does() {
    let stage = Stage::new();
    let bind = || {
        let receiver = rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None).unwrap();
        rustix::net::bind(&receiver, &SocketAddrUnix::new(stage.path("sink")).unwrap()).unwrap();
        receiver
    };
    let first = bind();
    let client = json!({
        "socket": "dgram", "postprocessors": [], "path": stage.path("sink").to_str().unwrap(),
        "reconnect": {"retry": {"interval_ms": 10, "randomized": false}},
    });
    stage.start("client", "unix_socket_client", client).unwrap();
    until(|| stage.shown("client")["state"]["state"] == "connected").await;
    drop(first);
    std::fs::remove_file(stage.path("sink")).unwrap();
    let path = stage.lines(json!({"to": ["client"]}));
    let mut peer = Peer::connect(&path).await;
    peer.send("\"kept\"\n").await;
    until(|| stage.shown("client")["state"]["state"] == "waiting").await;
    let second = bind();
    let mut buf = [0; 64];
    let mut read = None;
    until(|| {
        read = rustix::net::recv(&second, &mut buf[..], RecvFlags::DONTWAIT).ok().map(|(read, _)| read);
        read.is_some()
    })
    .await;
    assert_eq!(&buf[..read.unwrap()], b"\"kept\"");
}
