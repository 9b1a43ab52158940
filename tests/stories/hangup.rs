//! HUP: for a service the word to read its certificates again, for what was started at a terminal its end.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use hotfn_tests::client::{self, Connection, held, invoke, whole};
use hotfn_tests::node::{Function, Home, Node};
use hotfn_tests::{answered, binaries, soon};
use rcgen::{CertificateParams, KeyPair};
use rustix::process::Signal;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A certificate that stands for itself, and its key, written to where a node finds them.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    certificate.der().clone()
}

/// Connects, if who answers shows `certificate`.
async fn connect(address: SocketAddr, certificate: &CertificateDer<'static>) -> Result<Connection, client::Broken> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone())?;
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions()?;
    let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
    let stream = TcpStream::connect(address).await?;
    Connection::over(connector.connect(ServerName::try_from("localhost")?, stream).await?).await
}

#[tokio::test]
async fn certificates_are_read_again_and_open_connections_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let first = certify(folder.path());
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    let node = home.start_with(&["--tls-certificate", &path("cert.pem"), "--tls-key", &path("key.pem")]).await;
    let echo = async |connection: &mut Connection, text: &'static str| {
        connection.call(invoke("echo", whole(text))).await.unwrap().ok().text()
    };
    let mut open = connect(node.address(), &first).await.unwrap();
    assert_eq!(echo(&mut open, "before").await, "before");
    node.says("ready").await;
    let times = || node.said().matches("was read again").count();
    assert_eq!(times(), 0);
    // Nothing has changed, so it is by the signal that they are read.
    node.signal(Signal::HUP);
    soon("the certificate to be read again", || (times() == 1).then_some(())).await;

    let second = certify(folder.path());
    node.signal(Signal::HUP);
    let mut new =
        answered("the new certificate to be shown", async || connect(node.address(), &second).await.ok()).await;
    assert_eq!(echo(&mut new, "after").await, "after");
    assert!(connect(node.address(), &first).await.is_err());
    assert_eq!(echo(&mut open, "still").await, "still");
    drop((open, new));
    node.drain().await;
    home.is_bare();
}

#[tokio::test]
async fn a_service_without_certificates_goes_on() {
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    let node = home.start().await;
    node.says("ready").await;
    node.signal(Signal::HUP);
    node.says("there is no certificate to be read again").await;
    assert_eq!(node.invoke("echo", "here").await.ok().text(), "here");
    node.drain().await;
    home.is_bare();
}

/// A node at a terminal of its own, which is there as long as `script` is. The node's process says its number first.
async fn at_a_terminal(home: &Home, before: &str) -> (Node, u32) {
    let hotfn = binaries::program("hotfn");
    let serve = format!("{} serve --listen 127.0.0.1:0 --config {}", hotfn.display(), home.config().display());
    let mut script = Command::new("script");
    script.args(["-q", "-f", "-c", &format!("echo pid=$$; {before} exec {serve}"), "/dev/null"]);
    script.env("TMPDIR", home.scratch()).env("FN_DB_URL", "memory").env("SHELL", "/bin/sh");
    let node = Node::start_on(&mut script, Stdio::piped()).await;
    node.says("ready").await;
    let pid = node.says("pid=").await.trim().trim_start_matches("pid=").parse().unwrap();
    (node, pid)
}

fn is_there(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn who_closes_the_terminal_ends_the_node_in_order() {
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    let (node, pid) = at_a_terminal(&home, "").await;
    let (body, hold) = held("first", " and last");
    let mut connection = node.connect().await;
    let in_flight = tokio::spawn(async move { connection.call(invoke("echo", body)).await });
    soon("the call to have a container", || (!home.containers().is_empty()).then_some(())).await;
    let address = node.address();
    // As a terminal's window is closed. There is nobody left to read what the node has to say.
    node.signal(Signal::KILL);
    node.end().await;
    answered("new calls to be refused", async || {
        let mut connection = Connection::open(address).await.ok()?;
        let answer = connection.call(invoke("echo", whole("late"))).await.ok()?;
        (answer.status == 503).then_some(())
    })
    .await;
    hold.release();
    assert_eq!(in_flight.await.unwrap().unwrap().ok().text(), "first and last");
    soon("the node to end", || (!is_there(pid)).then_some(())).await;
    home.is_bare();
}

#[tokio::test]
async fn with_nohup_it_stays_when_the_terminal_is_closed() {
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    // All that `nohup` does, besides taking the log elsewhere.
    let (node, pid) = at_a_terminal(&home, "trap '' HUP;").await;
    let address = node.address();
    node.signal(Signal::KILL);
    node.end().await;
    let echo = async |text: &'static str| {
        let mut connection = Connection::open(address).await.unwrap();
        connection.call(invoke("echo", whole(text))).await.unwrap().ok().text()
    };
    assert_eq!(echo("here").await, "here");
    hotfn_tests::processes::signal(pid, Signal::HUP);
    assert_eq!(echo("still").await, "still");
    hotfn_tests::processes::signal(pid, Signal::TERM);
    soon("the node to end", || (!is_there(pid)).then_some(())).await;
    home.is_bare();
}
