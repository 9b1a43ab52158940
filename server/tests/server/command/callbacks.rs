//! Cases 24 to 27: callbacks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hotfn_server::calls::Retries;
use hotfn_server::command::{Algorithm, CallbackFields, Config, Functions, Means, Secret, Statement};
use hotfn_server::config::Deployment;
use hotfn_server::store::{Given, Store, Url};
use hotfn_server::tls::{Tls, Trust};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, UnboundedSender};

use super::sidecar::{KEY, Sidecar, config, eventually, within};
use crate::certificates::Authority;
use crate::soon;

/// A receiver of callbacks who answers as it is told.
struct Receiver {
    url: String,
    heard: mpsc::UnboundedReceiver<Heard>,
}

#[derive(Debug)]
struct Heard {
    head: String,
    body: String,
    at: Instant,
}

impl Receiver {
    /// Answers with these statuses, the last one again and again.
    async fn start(statuses: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/v1/func?x=1", listener.local_addr().unwrap());
        let (sender, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            for nth in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                receive(&mut stream, statuses[nth.min(statuses.len() - 1)], &sender).await;
            }
        });
        Self { url, heard }
    }

    async fn next(&mut self) -> Heard {
        soon(self.heard.recv()).await.unwrap()
    }
}

/// Hears one request, and answers.
async fn receive(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), status: &str, told: &UnboundedSender<Heard>) {
    let mut text = Vec::new();
    let whole = |text: &[u8]| {
        let text = String::from_utf8_lossy(text).into_owned();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        (body.len() >= length.unwrap_or(0)).then(|| (head.to_owned(), body.to_owned()))
    };
    let (head, body) = loop {
        match whole(&text) {
            Some(whole) => break whole,
            None => assert!(stream.read_buf(&mut text).await.unwrap() > 0),
        }
    };
    let answer = format!("HTTP/1.1 {status}\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
    // Told first: the sender may act on the answer at once.
    let _ = told.send(Heard { head, body, at: Instant::now() });
    let _ = stream.write_all(answer.as_bytes()).await;
}

impl Heard {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

fn ask(command: &str, wait: bool, url: &str) -> String {
    json!({"command": command, "wait": wait, "callbackURL": url}).to_string()
}

#[tokio::test]
async fn case_24_posts_exactly_the_two_keyword_arguments() {
    let sidecar = Sidecar::start(config()).await;
    let mut receiver = Receiver::start(&["200 OK"]).await;
    for wait in [true, false] {
        let (status, answer) = sidecar.shell(&ask("echo hi; echo no >&2; exit 3", wait, &receiver.url)).await;
        assert_eq!(status, 200);
        let heard = receiver.next().await;
        assert_eq!(heard.body, r#"{"kwargs":{"stderr":"no\n","stdout":"hi\n"}}"#);
        assert!(heard.head.starts_with("POST /api/v1/func?x=1 HTTP/1.1"), "{}", heard.head);
        assert_eq!(heard.header("content-type"), Some("application/json"));
        assert_eq!(heard.header("x-hotfn-exit-code"), Some("3"));
        assert_eq!(heard.header("x-hotfn-job"), answer["data"]["id"].as_str());
    }
    let sidecar = Sidecar::start(Config { callback_fields: CallbackFields::All, ..config() }).await;
    sidecar.shell(&ask("exit 3", true, &receiver.url)).await;
    let said = receiver.next().await.json();
    assert_eq!((&said["kwargs"]["exitCode"], &said["kwargs"]["timedOut"]), (&json!(3), &json!(false)));
}

#[tokio::test]
async fn a_callback_goes_over_tls_to_whom_the_config_believes_and_to_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let [ours, another] = ["ours", "another"].map(|name| Authority::new(folder.path(), name));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/api/v1/func?x=1", listener.local_addr().unwrap());
    let tls = Tls::start(ours.certify(&["127.0.0.1"], "receiver")).unwrap();
    let (sender, mut heard) = mpsc::unbounded_channel();

    let believing = Sidecar::start(Config { callback_trust: Trust::File(ours.roots.clone()), ..config() }).await;
    believing.shell(&ask("echo hi", true, &url)).await;
    let (stream, _) = soon(listener.accept()).await.unwrap();
    receive(&mut soon(tls.accept(stream)).await.unwrap(), "200 OK", &sender).await;
    let heard = heard.recv().await.unwrap();
    assert_eq!(heard.body, r#"{"kwargs":{"stderr":"","stdout":"hi\n"}}"#);
    assert!(heard.header("x-auth-signature").is_some(), "{}", heard.head);
    let tally = believing.service.tally();
    eventually("the delivery", || (tally.callbacks_delivered() == 1).then_some(())).await;

    let by_another_name = url.replace("127.0.0.1", "localhost");
    for (believed, url) in [(another.roots.clone(), &url), (ours.roots.clone(), &by_another_name)] {
        let sidecar = Sidecar::start(Config { callback_trust: Trust::File(believed), ..config() }).await;
        sidecar.shell(&ask("echo hi", true, url)).await;
        let (stream, _) = soon(listener.accept()).await.unwrap();
        assert!(soon(tls.accept(stream)).await.is_err(), "{url}");
        assert_eq!(sidecar.service.tally().callbacks_delivered(), 0);
    }
}

#[tokio::test]
async fn case_25_tries_again_on_503_and_gives_up_on_400_without_following() {
    let sidecar = Sidecar::start(config()).await;
    let mut receiver = Receiver::start(&["503 Busy", "200 OK"]).await;
    sidecar.shell(&ask("true", true, &receiver.url)).await;
    let (first, second) = (receiver.next().await, receiver.next().await);
    assert_eq!(first.body, second.body);
    assert!(second.at - first.at >= Duration::from_millis(990));
    let tally = sidecar.service.tally();
    eventually("the delivery", || (tally.callbacks_delivered() == 1).then_some(())).await;

    for status in [&["400 No"], &["302 Found"]] {
        let failed = tally.callbacks_failed();
        let mut receiver = Receiver::start(status).await;
        sidecar.shell(&ask("true", true, &receiver.url)).await;
        receiver.next().await;
        eventually("the failure", || (tally.callbacks_failed() == failed + 1).then_some(())).await;
        assert!(receiver.heard.try_recv().is_err());
    }
}

#[tokio::test]
async fn case_26_does_not_delay_an_answer_by_a_slow_receiver() {
    let sidecar = Sidecar::start(config()).await;
    // It accepts, and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let answer = within(Duration::from_secs(1), sidecar.shell(&ask("echo hi", true, &url))).await;
    assert_eq!(answer.1["data"]["stdout"], "hi\n");
    soon(listener.accept()).await.unwrap();
}

#[tokio::test]
async fn case_27_delivers_after_a_restart_and_signs() {
    let state = tempfile::tempdir().unwrap();
    let config = || Config { state_dir: Some(state.path().to_owned()), ..config() };
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let sidecar = Sidecar::start(config()).await;
    let (_, answer) = sidecar.shell(&ask("echo hi", true, &format!("http://user:pass@127.0.0.1:{port}/x?y=1"))).await;
    let spool = state.path().join("callbacks");
    let kept =
        || std::fs::read_dir(&spool).unwrap().flatten().any(|e| e.path().extension().is_some_and(|e| e == "json"));
    eventually("the kept callback", || kept().then_some(())).await;
    sidecar.service.drain().await;
    sidecar.listening.close(Duration::ZERO).await;
    drop(sidecar.service);

    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let next = Sidecar::start(config()).await;
    let (mut stream, _) = soon(listener.accept()).await.unwrap();
    let mut text = Vec::new();
    while !text.ends_with(b"}}") {
        assert!(soon(stream.read_buf(&mut text)).await.unwrap() > 0);
    }
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    eventually("the delivery", || (next.service.tally().callbacks_delivered() == 1).then_some(())).await;
    assert!(!kept());

    let text = String::from_utf8(text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let heard = Heard { head: head.to_owned(), body: body.to_owned(), at: Instant::now() };
    assert_eq!(heard.header("x-hotfn-job"), answer["data"]["id"].as_str());
    assert_eq!(heard.header("authorization"), Some("Basic dXNlcjpwYXNz"));
    let [nonce, timestamp, signature] =
        ["nonce", "timestamp", "signature"].map(|name| heard.header(&format!("x-auth-{name}")).unwrap());
    let statement = Statement { method: "POST", path: "/x?y=1", nonce, timestamp, body: body.as_bytes() };
    assert_eq!(Secret::new(KEY).unwrap().sign(Algorithm::Sha1, &statement), signature);
}

#[tokio::test]
async fn a_callback_can_be_a_function_of_this_node() {
    let (sender, mut called) = mpsc::unbounded_channel();
    let invoke = crate::double::invoke(move |call: hotfn_protocols::Call| {
        let sender = sender.clone();
        async move {
            let body = call.body.gather(1 << 20).await.unwrap();
            sender.send((call.function, body)).unwrap();
            Ok(crate::double::reply(""))
        }
    });
    let store = Store::open(&Url::Memory).await.unwrap();
    let function = hotfn::Function::new("f-id", "process:x");
    let deployment = Deployment { function, triggers: Vec::new(), retries: Retries::default() };
    let mut deployment = deployment;
    (deployment.function.app_id, deployment.function.app_name) = ("shop".to_owned(), "shop".to_owned());
    deployment.function.name = "hello".to_owned();
    store.give(&Given::new(vec![deployment])).await.unwrap();
    let functions = Functions { invoke: Arc::new(invoke), directory: Arc::new(store) };
    let means = Means { functions: Some(functions), ..Means::default() };
    let sidecar = Sidecar::start_with(config(), means).await;
    sidecar.shell(&ask("echo hi", true, "hotfn:shop/hello")).await;
    let (function, body) = soon(called.recv()).await.unwrap();
    assert_eq!((function, &*body), ("f-id".into(), br#"{"kwargs":{"stderr":"","stdout":"hi\n"}}"#.as_slice()));
    let (status, answer) = sidecar.shell(&ask("true", true, "gopher://x/")).await;
    assert_eq!((status, answer["reason"].as_str()), (400, Some("BadRequest")));
}
