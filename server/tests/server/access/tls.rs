//! Encrypted connections: to the front, and to host commands.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use hotfn_server::config::Settings;
use hotfn_server::tls::{Connector, Files, LoadError, Tls, Trust};

use crate::api::Api;
use crate::certificates::Authority;
use crate::client::{Answer, Client};
use crate::soon;

async fn node(files: &Files) -> Api {
    Api::with(Settings { tls: Some(files.clone()), ..Settings::default() }).await
}

async fn connect(addr: SocketAddr, trust: &Trust, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let connector = Connector::new(trust).unwrap();
    soon(connector.connect(name, TcpStream::connect(addr).await?)).await
}

async fn get(client: &mut Client<TlsStream<TcpStream>>, path: &str) -> Answer {
    client.send(&format!("GET {path} HTTP/1.1\nHost: localhost\n\n")).await;
    client.answer().await
}

#[tokio::test]
async fn who_believes_the_authority_is_answered_by_the_right_host_only() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, others) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "others"));
    let api = node(&ours.certify(&["localhost", "127.0.0.1"], "node")).await;
    let file = |authority: &Authority| Trust::File(authority.roots.clone());
    for name in ["localhost", "127.0.0.1"] {
        let mut client = Client::of(connect(api.addr(), &file(&ours), name).await.unwrap());
        assert_eq!(get(&mut client, "/version").await.status, 200, "{name}");
        assert_eq!(get(&mut client, "/v2/apps").await.status, 200, "the same connection");
    }
    let refused = async |trust: Trust, name: &str| connect(api.addr(), &trust, name).await.unwrap_err().to_string();
    let what = refused(file(&ours), "fn.example").await;
    assert!(what.contains("not valid for name"), "{what}");
    let what = refused(file(&others), "localhost").await;
    assert!(what.contains("UnknownIssuer"), "{what}");
    let nameless = |authority: &Authority| Trust::FileForAnyName(authority.roots.clone());
    assert!(connect(api.addr(), &nameless(&ours), "fn.example").await.is_ok());
    assert!(connect(api.addr(), &nameless(&others), "fn.example").await.is_err());
    assert!(connect(api.addr(), &Trust::Anyone, "fn.example").await.is_ok());

    // Whoever speaks without encryption gets no answer, and harms nobody.
    let mut plain = Client::connect(api.addr()).await;
    plain.send("GET /version HTTP/1.1\nHost: t\n\n").await;
    assert!(!plain.rest().await.contains("200"));
    assert!(connect(api.addr(), &file(&ours), "localhost").await.is_ok());
}

#[tokio::test]
async fn bodies_of_any_size_pass_and_urls_say_https() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ours");
    let api = node(&authority.certify(&["localhost"], "node")).await;
    let trust = Trust::File(authority.roots);
    let mut client = Client::of(connect(api.addr(), &trust, "localhost").await.unwrap());
    let mut post = async |path: &str, body: &str| {
        let length = body.len();
        client.send(&format!("POST {path} HTTP/1.1\nHost: localhost\nContent-Length: {length}\n\n{body}")).await;
        client.answer().await
    };
    let app = crate::api::text(&post("/v2/apps", r#"{"name":"shop"}"#).await.ok(), "id");
    let body = serde_json::json!({"name": "f", "app_id": app, "image": crate::api::IMAGE, "format": "default"});
    let made = post("/v2/fns", &body.to_string()).await.ok();
    let endpoint = &made["annotations"]["fnproject.io/fn/invokeEndpoint"];
    let invoke = format!("/invoke/{}", crate::api::text(&made, "id"));
    assert_eq!(*endpoint, format!("https://localhost{invoke}"));
    for bytes in [0, 1, 16 << 10] {
        let sent = "x".repeat(bytes);
        let answer = post(&invoke, &sent).await;
        assert!(answer.status == 200 && answer.body == sent, "{bytes} bytes: {}", answer.status);
    }
    // What streams both ways, until the connection ends; no more than fits on the way, since nobody reads meanwhile.
    let mut client = Client::of(connect(api.addr(), &trust, "localhost").await.unwrap());
    let sent = "x".repeat((256 << 10) + 1);
    client.send(&format!("POST {invoke} HTTP/1.0\nHost: localhost\nContent-Length: {}\n\n{sent}", sent.len())).await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&format!("\r\n\r\n{sent}")), "{}", answer.len());
}

/// As many as were once let into a handshake at a time, and some more.
#[tokio::test]
async fn who_connects_and_says_nothing_keeps_nobody_from_shaking_hands() {
    const SILENT: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ours");
    let api = node(&authority.certify(&["localhost"], "node")).await;
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        silent.push(soon(TcpStream::connect(api.addr())).await.unwrap());
    }
    let trust = Trust::File(authority.roots);
    // Well before the silent ones are given up, and their places with them.
    let connected = tokio::time::timeout(Duration::from_secs(5), connect(api.addr(), &trust, "localhost")).await;
    let mut client = Client::of(connected.expect("a handshake at once").unwrap());
    assert_eq!(get(&mut client, "/version").await.status, 200);
}

/// The certificate that a server shows.
async fn shown(addr: SocketAddr) -> Vec<u8> {
    let stream = connect(addr, &Trust::Anyone, "localhost").await.unwrap();
    let (_, session) = stream.get_ref();
    session.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn a_certificate_that_changes_is_shown_to_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ours");
    let files = authority.certify(&["localhost"], "node");
    let api = node(&files).await;
    let before = shown(api.addr()).await;
    let trust = Trust::File(authority.roots.clone());
    let mut open = Client::of(connect(api.addr(), &trust, "localhost").await.unwrap());
    assert_eq!(get(&mut open, "/version").await.status, 200);

    authority.certify(&["localhost"], "node");
    soon(async { while shown(api.addr()).await == before {} }).await;
    assert_eq!(get(&mut open, "/version").await.status, 200, "who was connected stays so");
    let after = shown(api.addr()).await;

    // What cannot be used is not: the key of another.
    let other = authority.certify(&["localhost"], "other");
    fs::copy(&other.key, &files.key).unwrap();
    let tls = Tls::start(files.clone());
    assert!(matches!(tls, Err(LoadError::Mismatch { .. })), "{tls:?}");
    // As long as it takes to be looked at twice, and more.
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        assert_eq!(shown(api.addr()).await, after);
    }
    fs::copy(&other.certificate, &files.certificate).unwrap();
    soon(async { while shown(api.addr()).await == after {} }).await;
}

#[tokio::test]
async fn files_that_cannot_be_used_are_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ours");
    let good = authority.certify(&["localhost"], "good");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("empty"), "").unwrap();
    fs::write(path("garbage"), "-----BEGIN CERTIFICATE-----\nopensesame\n-----END CERTIFICATE-----\n").unwrap();
    fs::write(path("cut"), "-----BEGIN PRIVATE KEY-----\nopensesame\n").unwrap();
    let check = async |certificate: Option<&str>, key: Option<&str>, expected: &str| {
        let files = Files {
            certificate: certificate.map_or_else(|| good.certificate.clone(), path),
            key: key.map_or_else(|| good.key.clone(), path),
        };
        let error = anyhow::Error::from(Tls::start(files).unwrap_err());
        let told = format!("{error:#}");
        assert!(told.contains(expected) && !told.contains("opensesame"), "{told}");
    };
    check(Some("none"), None, "none: No such file").await;
    check(None, Some("none"), "none: No such file").await;
    check(Some("empty"), None, "there is no certificate in").await;
    check(None, Some("empty"), "there is no private key in").await;
    check(Some("garbage"), None, "cannot use what is in").await;
    check(None, Some("cut"), "cannot use what is in").await;
    check(Some("good.key.pem"), None, "there is no certificate in").await;
    check(None, Some("good.cert.pem"), "there is no private key in").await;
    // A start says so, and does not serve.
    let files = Files { certificate: path("none"), key: good.key.clone() };
    let settings = Settings { tls: Some(files), listen: Some("127.0.0.1:0".parse().unwrap()), ..Settings::default() };
    let started = hotfn_server::node::Node::start(&settings, Vec::new()).await;
    assert!(matches!(started, Err(hotfn_server::node::StartError::Tls(_))));
}

/// Somebody who connects and says nothing does not keep a node from ending.
#[tokio::test]
async fn a_silent_peer_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ours");
    let api = node(&authority.certify(&["localhost"], "node")).await;
    let mut silent = soon(TcpStream::connect(api.addr())).await.unwrap();
    let mut half = Client::connect(api.addr()).await;
    half.send("\u{16}\u{3}").await;
    assert!(connect(api.addr(), &Trust::File(authority.roots), "localhost").await.is_ok());
    let began = std::time::Instant::now();
    soon(api.stop()).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(soon(silent.read(&mut [0; 1])).await.unwrap_or_default(), 0);
}

#[tokio::test]
async fn host_commands_are_asked_for_over_tls_too() {
    use hotfn_server::command::{Config, Means, Server, Settings, bind::Bind};
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ours");
    let socket = folder.path().join("s");
    let settings = Settings {
        bind: vec![Bind::Address("127.0.0.1:0".parse().unwrap()), Bind::Unix(socket.clone())],
        tls: Some(authority.certify(&["localhost"], "commands")),
        config: Config::default(),
    };
    let server = Server::start(settings, Vec::new(), Means::default()).unwrap();
    let addr = crate::command::eventually("an address", || server.listening().local_addrs().first().copied()).await;
    let mut client = Client::of(connect(addr, &Trust::File(authority.roots.clone()), "localhost").await.unwrap());
    assert_eq!(get(&mut client, "/").await.status, 200);
    // A unix socket stays as it is: nobody else is on its way.
    let mut near = Client::of(soon(tokio::net::UnixStream::connect(&socket)).await.unwrap());
    near.send("GET / HTTP/1.1\nHost: t\n\n").await;
    assert_eq!(near.answer().await.status, 200);
    let before = shown(addr).await;
    authority.certify(&["localhost"], "commands");
    server.reload(Config::default());
    assert_ne!(shown(addr).await, before, "at once, because it was told to");
    server.stop().await;
}
