//! Cases 28 to 35: bounds, policy and places.

use std::time::Duration;

use hotfn_exec::rules::{Command, Pattern};
use hotfn_server::command::bind::Bind;
use hotfn_server::command::listen::Listening;
use hotfn_server::command::{Bounds, Config, Listed, Means, Mode, Service};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use super::sidecar::{Ask, Sidecar, config, eventually, key, told, within};
use crate::client::{Client, ask};
use crate::{skipped, soon};

#[tokio::test]
async fn case_28_answers_429_beyond_the_slots_and_recovers() {
    let bounds = Bounds { concurrent_max: 3, per_peer_max: 2, ..Bounds::default() };
    let sidecar = Sidecar::start(Config { bounds, ..config() }).await;
    let dir = tempfile::tempdir().unwrap();
    let go = dir.path().join("go");
    let body = json!({"command": format!("until [ -e {} ]; do sleep 0.01; done", go.display()), "wait": false});
    for expected in [200, 200, 429] {
        let answer = sidecar.send(&Ask::shell(&body.to_string())).await;
        assert_eq!(answer.status, expected);
        if expected == 429 {
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
    }
    std::fs::write(go, "").unwrap();
    eventually("free slots", || (sidecar.service.running() == 0).then_some(())).await;
    assert_eq!(sidecar.output("echo hi").await, "hi\n");
}

#[tokio::test]
async fn case_29_refuses_large_bodies_without_reading_them_and_slow_ones_in_time() {
    let bounds = Bounds { read_timeout: Duration::from_millis(200), ..Bounds::default() };
    let sidecar = Sidecar::start(Config { bounds, ..config() }).await;
    let head = |length: &str| format!("POST /shell HTTP/1.1\nHost: x\n{length}\n\n");
    let mut large = Client::connect(sidecar.addr).await;
    large.send(&head("Content-Length: 1048577")).await;
    let (status, answer) = told(large.answer().await);
    assert_eq!((status, answer["reason"].as_str()), (413, Some("TooLarge")));

    let mut chunked = Client::connect(sidecar.addr).await;
    chunked.send(&head("Transfer-Encoding: chunked")).await;
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 1 << 16], b"\r\n"].concat();
    let writing = async {
        // The service stops reading, so that writing fails at last.
        while chunked.stream.write_all(&chunk).await.is_ok() {}
    };
    let mut sent = std::pin::pin!(writing);
    let _ = tokio::time::timeout(Duration::from_secs(2), &mut sent).await;

    let mut slow = Client::connect(sidecar.addr).await;
    slow.send(&head("Content-Length: 10")).await;
    let answer = within(Duration::from_secs(2), slow.answer()).await;
    assert_eq!((answer.status, answer.json()["reason"].as_str()), (408, Some("Timeout")));
    assert_eq!(sidecar.output("echo hi").await, "hi\n");
}

#[tokio::test]
async fn what_is_switched_off_or_from_elsewhere_is_forbidden() {
    let off = Config { keys: vec![key("default", super::sidecar::KEY, Mode::Off)], ..config() };
    let sidecar = Sidecar::start(off).await;
    let (status, answer) = sidecar.shell(r#"{"command":"true"}"#).await;
    assert_eq!((status, answer["reason"].as_str()), (403, Some("Forbidden")));
    let elsewhere = Config { allow_from: vec!["10.0.0.0/8".parse().unwrap()], ..config() };
    let sidecar = Sidecar::start(elsewhere).await;
    assert_eq!(ask(sidecar.addr, "GET / HTTP/1.1\nHost: t\n\n").await.status, 403);
    assert_eq!(sidecar.shell(r#"{"command":"true"}"#).await.0, 403);
}

#[tokio::test]
async fn case_30_in_list_mode_runs_what_is_listed_and_nothing_else() {
    let mut echo = Command::new("/bin/echo");
    echo.args = vec!["fixed".into()];
    echo.deny_args = vec![Pattern::text("-e*")];
    let mut other = Command::new("/bin/echo");
    other.sha256 = Some([0; 32]);
    let commands =
        [("other".to_owned(), other), ("say".to_owned(), echo), ("hostname".to_owned(), Command::new("/bin/hostname"))];
    let listed = Config {
        keys: vec![key("default", super::sidecar::KEY, Mode::List)],
        commands: commands.into_iter().collect(),
        exact: vec![Listed { text: "say it; now".to_owned(), name: "say".to_owned() }],
        ..config()
    };
    let sidecar = Sidecar::start(listed).await;
    assert!(sidecar.output("hostname").await.ends_with('\n'));
    assert_eq!(sidecar.output("say 'a; b' \"$\" c*".replace('$', "d").as_str()).await, "fixed a; b d c*\n");
    assert_eq!(sidecar.output("say it; now").await, "fixed\n");
    for refused in [
        "other x",
        "hostname; id",
        "$(id)",
        "say `id`",
        "say a | id",
        "id",
        "/bin/hostname",
        "say -e x",
        "say > /x",
        "",
    ] {
        let (status, answer) = sidecar.shell(&json!({"command": refused}).to_string()).await;
        let expected = if refused.is_empty() { 400 } else { 403 };
        assert_eq!(status, expected, "{refused}: {answer}");
    }
    let argv = json!({"argv": ["say", "a;b"]}).to_string();
    assert_eq!(told(sidecar.send(&Ask::post("/run", &argv)).await).1["data"]["stdout"], "fixed a;b\n");
    let away = json!({"command": "hostname", "callbackURL": "http://203.0.113.1/"}).to_string();
    assert_eq!(sidecar.shell(&away).await.0, 403);
}

#[tokio::test]
async fn what_is_no_request_gets_its_code_and_the_service_goes_on() {
    let sidecar = Sidecar::start(config()).await;
    let check = async |request: &str, status: u16| {
        assert_eq!(ask(sidecar.addr, request).await.status, status, "{request}");
    };
    check("POST /shell HTTP/1.1\nHost: t\nContent-Length: 1\nTransfer-Encoding: chunked\n\n", 400).await;
    check("POST /shell HTTP/1.1\nHost: t\nContent-Length: 1\nContent-Length: 2\n\n", 400).await;
    check("POST /shell HTTP/1.1\nHost: t\nTransfer-Encoding: gzip, chunked\n\n", 501).await;
    check(&format!("GET / HTTP/1.1\nHost: t\nX: {}\n\n", "a".repeat(17 << 10)), 431).await;
    check("GET / HTTP/3.0\n\n", 505).await;
    check("PUT /shell HTTP/1.1\nHost: t\n\n", 405).await;
    check("GET /nothing HTTP/1.1\nHost: t\n\n", 404).await;
    for body in ["", "{", "[]", "{\"command\":1}", "{\"command\":\"true\",\"wait\":1}"] {
        let (status, answer) = sidecar.shell(body).await;
        assert_eq!((status, answer["reason"].as_str()), (400, Some("BadRequest")), "{body}");
    }
    assert_eq!(sidecar.output("echo hi").await, "hi\n");
}

#[tokio::test]
async fn connections_beyond_the_bound_are_closed() {
    let bounds = Bounds { connections_max: 2, ..Bounds::default() };
    let sidecar = Sidecar::start(Config { bounds, ..config() }).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect(sidecar.addr).await;
        client.send("GET / HTTP/1.1\nHost: t\n\n").await;
        assert_eq!(client.answer().await.status, 200);
        open.push(client);
    }
    let mut third = TcpStream::connect(sidecar.addr).await.unwrap();
    let mut byte = [0];
    assert!(matches!(soon(third.read(&mut byte)).await, Ok(0) | Err(_)));
    drop(open);
    soon(async {
        loop {
            let mut client = Client::connect(sidecar.addr).await;
            client.send("GET / HTTP/1.1\nHost: t\nConnection: close\n\n").await;
            if client.rest().await.starts_with("HTTP/1.1 200") {
                return;
            }
        }
    })
    .await;
}

/// The test bridge is an address of the loopback device, which takes root to add.
#[tokio::test]
async fn case_32_starts_when_docker0_is_missing_and_serves_it_once_it_appears() {
    let ip = |verb: &str| {
        let done = std::process::Command::new("ip").args(["address", verb, "198.51.100.99/32", "dev", "lo"]).output();
        done.is_ok_and(|done| done.status.success())
    };
    ip("delete");
    let service = Service::start(config(), Means::default()).unwrap();
    let places = Bind::list("127.0.0.1:0,198.51.100.99:0").unwrap();
    let listening = Listening::start(&places, Vec::new(), &service, None).unwrap();
    let both = || (listening.local_addrs().len() == 2).then(|| listening.local_addrs());
    let addrs = eventually("both addresses", both).await;
    if !ip("add") {
        return skipped("adding an address takes root");
    }
    for addr in addrs {
        assert_eq!(ask(addr, "GET / HTTP/1.1\nHost: t\n\n").await.status, 200);
    }
    ip("delete");
    listening.close(Duration::ZERO).await;
}

/// Case 32, where not even the kernel's own patience helps.
#[tokio::test]
async fn case_32_a_place_that_cannot_be_had_yet_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("later");
    let places = [Bind::Address("127.0.0.1:0".parse().unwrap()), Bind::Unix(folder.join("command.sock"))];
    let service = Service::start(config(), Means::default()).unwrap();
    let listening = Listening::start(&places, Vec::new(), &service, None).unwrap();
    let there = eventually("the first place", || listening.local_addrs().first().copied()).await;
    assert_eq!(ask(there, "GET / HTTP/1.1\nHost: t\n\n").await.status, 200);
    std::fs::create_dir(&folder).unwrap();
    let connected = || std::os::unix::net::UnixStream::connect(folder.join("command.sock")).ok();
    eventually("the second place", connected).await;
    listening.close(Duration::ZERO).await;
}

#[tokio::test]
async fn a_unix_socket_lets_its_trusted_users_ask_without_a_signature() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("command.sock");
    let uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(dir.path()).unwrap());
    let service = Service::start(Config { trusted_users: vec![uid], ..config() }, Means::default()).unwrap();
    let listening = Listening::start(&[Bind::Unix(path.clone())], Vec::new(), &service, None).unwrap();
    let ask = async |body: &str| {
        let mut stream = soon(UnixStream::connect(&path)).await.unwrap();
        let length = body.len();
        let request =
            format!("POST /shell HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        soon(stream.read_to_string(&mut answer)).await.unwrap();
        answer
    };
    let answer = ask(r#"{"command":"echo hi"}"#).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""stdout":"hi\n""#), "{answer}");
    service.reload(config());
    assert!(ask(r#"{"command":"echo hi"}"#).await.starts_with("HTTP/1.1 401"));
    listening.close(Duration::ZERO).await;
    eventually("the socket's removal", || (!path.exists()).then_some(())).await;
}

#[tokio::test]
async fn what_is_counted_is_told_to_who_signs_and_by_the_socket_to_its_own_user() {
    let sidecar = Sidecar::start(config()).await;
    assert_eq!(sidecar.output("echo hi").await, "hi\n");
    let stranger = ask(sidecar.addr, "GET /metrics HTTP/1.1\nHost: t\n\n").await;
    assert_eq!((stranger.status, stranger.body.contains("hotfn_")), (401, false));
    let signed = Ask { method: "GET", target: "/metrics", path: "/metrics", body: b"", ..Ask::shell("") };
    let signed = sidecar.send(&signed).await;
    assert_eq!(signed.status, 200);
    assert!(signed.body.contains("hotfn_command_requests_total{reason=\"Ok\"} 1\n"), "{}", signed.body);

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("command.sock");
    let listening = Listening::start(&[Bind::Unix(path.clone())], Vec::new(), &sidecar.service, None).unwrap();
    eventually("the socket", || path.exists().then_some(())).await;
    let mut stream = soon(UnixStream::connect(&path)).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut told = String::new();
    soon(stream.read_to_string(&mut told)).await.unwrap();
    assert!(told.starts_with("HTTP/1.1 200") && told.ends_with("# EOF\n"), "{told}");
    assert!(told.contains("hotfn_command_requests_total{reason=\"Unauthorized\"} 1\n"), "{told}");
    listening.close(Duration::ZERO).await;
}

#[tokio::test]
async fn who_waits_when_the_service_ends_is_told_which_job_goes_on() {
    let bounds = Bounds { drain_patience: Duration::from_millis(50), ..Bounds::default() };
    let sidecar = Sidecar::start(Config { bounds, ..config() }).await;
    let dir = tempfile::tempdir().unwrap();
    let [begun, go, done] = ["begun", "go", "done"].map(|name| dir.path().join(name));
    let shown = [&begun, &go, &done].map(|path| path.display().to_string());
    let command = format!("touch {}; until [ -e {} ]; do sleep 0.01; done; touch {}", shown[0], shown[1], shown[2]);
    let body = json!({"command": command}).to_string();
    let ask = Ask::shell(&body);
    let ending = async {
        eventually("the command's begin", || begun.exists().then_some(())).await;
        sidecar.service.drain().await;
    };
    let (answer, ()) = tokio::join!(sidecar.send(&ask), ending);
    let (status, answer) = told(answer);
    assert_eq!((status, answer["reason"].as_str()), (503, Some("Unavailable")));
    assert_eq!(answer["detail"]["id"].as_str().unwrap().len(), 26);
    let refused = sidecar.shell(r#"{"command":"true"}"#).await;
    assert_eq!((refused.0, refused.1["reason"].as_str()), (503, Some("Unavailable")));
    sidecar.listening.close(Duration::from_secs(1)).await;
    std::fs::write(go, "").unwrap();
    eventually("the command's end", || done.exists().then_some(())).await;
}
