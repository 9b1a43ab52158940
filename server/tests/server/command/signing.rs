//! Cases 1 to 11 and 31: signatures.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hotfn_server::command::{Bounds, Config, Means, Mode, Reason};
use tokio::io::AsyncWriteExt as _;

use super::sidecar::{Ask, KEY, Sidecar, config, key, told, unix_s};
use crate::client::{Client, ask};

const FROZEN_S: u64 = 1_700_000_000;

fn frozen() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(FROZEN_S)
}

/// The contract's vectors: method, path, body, signature.
const VECTORS: [(&str, &str, &str, &str); 4] = [
    ("POST", "/shell", r#"{"command":"hostname","wait":true}"#, "4D948F7BAC868ACBA65C335EE6593D2F2D173B7A"),
    ("POST", "/shell", r#"{"command":"ls -l \/home","wait":true}"#, "46C3381927CB1FF50FE42CF779728434F1CEFD71"),
    ("POST", "/shell", r#"{"command":"echo 你好","wait":false}"#, "5ABC114A6E449B09F6DD5951F5F0E203F1271ED8"),
    ("GET", "/shell/42", "", "82DBE0E08FEF78B77EA611547BC4AB570A38B757"),
];

fn vector(method: &'static str, path: &'static str, body: &'static str) -> Ask<'static> {
    let nonce = "0123456789abcdef0123456789abcdef".to_owned();
    Ask { method, nonce, timestamp: FROZEN_S, key: "s3cr3t", ..Ask::post(path, body) }
}

async fn frozen_sidecar() -> Sidecar {
    let config = Config { keys: vec![key("default", "s3cr3t", Mode::Shell)], ..Config::default() };
    Sidecar::start_with(config, Means { clock: frozen, ..Means::default() }).await
}

async fn answered(sidecar: &Sidecar, bytes: &[u8]) -> (u16, serde_json::Value) {
    let mut client = Client::connect(sidecar.addr).await;
    client.stream.write_all(bytes).await.unwrap();
    told(client.answer().await)
}

#[tokio::test]
async fn case_01_accepts_the_four_vectors_with_a_frozen_clock() {
    for (method, path, body, signature) in VECTORS {
        // They share one nonce, so each has a service of its own.
        let sidecar = frozen_sidecar().await;
        let (status, answer) = answered(&sidecar, &vector(method, path, body).bytes_with(signature)).await;
        let expected = if method == "GET" { 404 } else { 200 };
        assert_eq!(status, expected, "{method} {path} {body}: {answer}");
    }
}

#[tokio::test]
async fn case_02_accepts_lower_case_signatures_and_refuses_one_flipped_bit_anywhere() {
    let sidecar = frozen_sidecar().await;
    let (method, path, body, signature) = VECTORS[0];
    let right = vector(method, path, body);
    let wrong = [
        Ask { method: "PUT", ..vector(method, path, body) },
        Ask { target: "/run", ..vector(method, path, body) },
        Ask { nonce: "1123456789abcdef0123456789abcdef".to_owned(), ..vector(method, path, body) },
        Ask { timestamp: FROZEN_S + 1, ..vector(method, path, body) },
        vector(method, path, r#"{"command":"hostnamf","wait":true}"#),
    ];
    for ask in &wrong {
        let (status, _) = answered(&sidecar, &ask.bytes_with(signature)).await;
        assert_eq!(status, if ask.method == "PUT" { 405 } else { 401 });
    }
    let other_key = Ask { key: "s3cr3u", ..vector(method, path, body) };
    assert_eq!(answered(&sidecar, &other_key.bytes()).await.0, 401);
    let lower = right.bytes_with(&signature.to_ascii_lowercase());
    assert_eq!(answered(&sidecar, &lower).await.0, 200);
}

#[tokio::test]
async fn case_03_checks_the_received_bytes() {
    let sidecar = Sidecar::start(config()).await;
    let body = "{ \"command\" : \"echo a\", \"wait\":true,\"command\":\"echo \\/tmp\" }\n";
    let (status, told) = sidecar.shell(body).await;
    assert_eq!((status, told["data"]["stdout"].as_str()), (200, Some("/tmp\n")));
}

#[tokio::test]
async fn case_04_refuses_each_missing_repeated_or_malformed_header_and_runs_nothing() {
    let bounds = Bounds { bad_signatures_max: 1000, ..Bounds::default() };
    let sidecar = Sidecar::start(Config { bounds, ..config() }).await;
    let dir = tempfile::tempdir().unwrap();
    let body = format!(r#"{{"command":"touch {}/ran"}}"#, dir.path().display());
    let mut texts = Vec::new();
    for name in ["X-Auth-Nonce", "X-Auth-Timestamp", "X-Auth-Signature"] {
        for change in ["drop", "repeat", "spoil"] {
            let request = String::from_utf8(Ask::shell(&body).bytes()).unwrap();
            let line = request.lines().find(|line| line.starts_with(name)).unwrap();
            let other = match change {
                "drop" => request.replace(&format!("{line}\r\n"), ""),
                "repeat" => request.replace(line, &format!("{line}\r\n{line}")),
                _ => request.replace(line, &format!("{name}: !")),
            };
            let (status, told) = answered(&sidecar, other.as_bytes()).await;
            assert_eq!((status, told["reason"].as_str()), (401, Some("Unauthorized")), "{change} {name}");
            texts.push(told.to_string());
        }
    }
    let (_, wrong) = answered(&sidecar, &Ask { key: "another key of mine", ..Ask::shell(&body) }.bytes()).await;
    let wrong = wrong.to_string();
    assert!(texts.iter().all(|text| *text == wrong), "{texts:?}");
    assert!(!dir.path().join("ran").exists());
}

#[tokio::test]
async fn case_05_refuses_timestamps_beyond_the_window_and_before_the_start() {
    // Both clocks are as they are: the second in which all this happens may end meanwhile.
    let config = Config { bounds: Bounds { window_s: 60, ..Bounds::default() }, ..config() };
    let sidecar = Sidecar::start_with(config, Means { clock: two_minutes_on, ..Means::default() }).await;
    let now = unix_s() + 120;
    for (timestamp, expected) in [(now + 63, 401), (now + 57, 200), (now, 200), (now - 5, 401), (now - 63, 401)] {
        let ask = Ask { timestamp, ..Ask::shell(r#"{"command":"true"}"#) };
        let (status, answer) = told(sidecar.send(&ask).await);
        assert_eq!(status, expected, "{timestamp} at {now}: {answer}");
        if status == 401 {
            assert_eq!(answer["reason"], "Expired");
            assert!(answer["message"].as_str().unwrap().contains(" s "), "{answer}");
        }
    }
}

fn two_minutes_on() -> SystemTime {
    SystemTime::now() + Duration::from_secs(120)
}

#[tokio::test]
async fn case_06_of_fifty_equal_requests_at_once_exactly_one_runs() {
    let sidecar = Sidecar::start(config()).await;
    let dir = tempfile::tempdir().unwrap();
    let body = format!(r#"{{"command":"echo x >> {}/ran"}}"#, dir.path().display());
    let bytes = Ask::shell(&body).bytes();
    let all = (0..50).map(|_| answered(&sidecar, &bytes));
    let all = futures_util::future::join_all(all).await;
    let ran = all.iter().filter(|(status, _)| *status == 200).count();
    assert_eq!(ran, 1);
    assert!(all.iter().filter(|(status, _)| *status != 200).all(|(_, told)| told["reason"] == "Replayed"));
    assert_eq!(std::fs::read_to_string(dir.path().join("ran")).unwrap(), "x\n");
}

#[tokio::test]
async fn case_07_answers_429_when_the_memory_of_nonces_is_full() {
    let bounds = Bounds { nonces_max: 3, bad_signatures_max: 1000, ..Bounds::default() };
    let sidecar = Sidecar::start(Config { bounds, ..config() }).await;
    for _ in 0..50 {
        let guess = Ask { key: "another key of mine", ..Ask::shell("{}") };
        assert_eq!(sidecar.send(&guess).await.status, 401);
    }
    for expected in [200, 200, 200, 429] {
        let (status, told) = sidecar.shell(r#"{"command":"true"}"#).await;
        assert_eq!(status, expected, "{told}");
    }
    assert_eq!(sidecar.service.tally().refused(Reason::TooMany), 1);
}

#[tokio::test]
async fn case_08_answers_503_on_shell_and_200_on_the_root_without_a_key() {
    let sidecar = Sidecar::start(Config::default()).await;
    let (status, told) = sidecar.shell(r#"{"command":"true"}"#).await;
    assert_eq!((status, told["reason"].as_str()), (503, Some("Unavailable")));
    assert_eq!(ask(sidecar.addr, "GET / HTTP/1.1\nHost: t\n\n").await.status, 200);
    assert_eq!(ask(sidecar.addr, "GET /readyz HTTP/1.1\nHost: t\n\n").await.status, 503);
    assert_eq!(ask(sidecar.addr, "GET /healthz HTTP/1.1\nHost: t\n\n").await.status, 200);
}

#[tokio::test]
async fn case_09_accepts_either_of_two_keys_during_rotation() {
    let old = "the old key of the service";
    let keys = vec![key("default", KEY, Mode::Shell), key("previous", old, Mode::Shell)];
    let sidecar = Sidecar::start(Config { keys, ..config() }).await;
    for key in [KEY, old] {
        assert_eq!(sidecar.send(&Ask { key, ..Ask::shell(r#"{"command":"true"}"#) }).await.status, 200);
    }
    sidecar.service.reload(config());
    assert_eq!(sidecar.send(&Ask { key: old, ..Ask::shell(r#"{"command":"true"}"#) }).await.status, 401);
    assert_eq!(sidecar.shell(r#"{"command":"true"}"#).await.0, 200);
}

/// Many answers, in turns, and the medians of both: what one wrong byte costs is far below the noise
/// of a socket, what comparing byte by byte would is not asked of the network but of the code.
#[tokio::test]
async fn case_10_takes_equal_time_for_a_wrong_first_and_a_wrong_last_byte() {
    let bounds = Bounds { bad_signatures_max: u32::MAX, ..Bounds::default() };
    let sidecar = Sidecar::start(Config { bounds, ..config() }).await;
    let right = Ask::shell("{}");
    let signature = right.signature();
    let flip = |at: usize| {
        let mut digits: Vec<char> = signature.chars().collect();
        digits[at] = if digits[at] == '0' { '1' } else { '0' };
        right.bytes_with(&digits.into_iter().collect::<String>())
    };
    let requests = [flip(0), flip(39)];
    let mut client = Client::connect(sidecar.addr).await;
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..400 {
        for (request, took) in requests.iter().zip(&mut took) {
            let began = Instant::now();
            client.stream.write_all(request).await.unwrap();
            assert_eq!(client.answer().await.status, 401);
            took.push(began.elapsed());
        }
    }
    let [first, last] = took.map(|mut took| {
        took.sort();
        took[took.len() / 2].as_secs_f64()
    });
    assert!((0.7..1.4).contains(&(first / last)), "{first} {last}");
}

#[tokio::test]
async fn case_11_ignores_the_querys_content() {
    let sidecar = Sidecar::start(config()).await;
    let body = r#"{"command":"echo one"}"#;
    for path in ["/shell", "/shell?command=echo%20two"] {
        let ask = Ask { target: "/shell?command=echo%20two", path, ..Ask::shell(body) };
        let (status, answer) = told(sidecar.send(&ask).await);
        assert_eq!((status, answer["data"]["stdout"].as_str()), (200, Some("one\n")), "{path}");
    }
    let ask = Ask { target: "/shell?a=1", path: "/shell?a=2", ..Ask::shell(body) };
    assert_eq!(sidecar.send(&ask).await.status, 401);
}

#[tokio::test]
async fn case_31_locks_out_an_address_after_ten_bad_signatures_and_only_that_address() {
    let sidecar = Sidecar::start(config()).await;
    for _ in 0..10 {
        assert_eq!(sidecar.send(&Ask { key: "another key of mine", ..Ask::shell("{}") }).await.status, 401);
    }
    let ask = Ask::shell(r#"{"command":"true"}"#);
    let out = sidecar.send(&ask).await;
    assert_eq!((out.status, out.header("retry-after").is_some()), (429, true));

    // Another address of this machine.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut client = Client::of(socket.connect(sidecar.addr).await.unwrap());
    client.stream.write_all(&ask.bytes()).await.unwrap();
    assert_eq!(client.answer().await.status, 200);
}
