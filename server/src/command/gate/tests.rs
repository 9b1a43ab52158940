//! The gate by its headers, with a clock that stands still.

use bytes::BytesMut;
use hotfn_protocols::http1::{Event, Limits, RequestDecoder};

use super::*;
use crate::command::config::{Bounds, Caller};
use crate::command::signature::Secret;

const NOW_S: u64 = 1_700_000_000;
const BODY: &[u8] = br#"{"command":"hostname","wait":true}"#;

fn config(keys: &[&str]) -> Config {
    let caller = Arc::new(Caller::new("caller"));
    let key = |name: &&str| {
        let secret = Secret::new(name).unwrap();
        Arc::new(Key { name: format!("key {name}").into(), secret, caller: caller.clone() })
    };
    Config { keys: keys.iter().map(key).collect(), ..Config::default() }
}

fn now(unix_s: u64) -> Now {
    Now { unix_s, at: Instant::now() }
}

fn peer(last: u8) -> Peer {
    Peer::Address([10, 0, 0, last].into())
}

fn lines(headers: &[(&str, &str)]) -> Lines {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let mut buf = BytesMut::from(&*format!("POST /shell HTTP/1.1\r\n{headers}\r\n"));
    match RequestDecoder::new(Limits::default()).decode(&mut buf) {
        Ok(Some(Event::Head(head))) => head.lines,
        other => panic!("{other:?}"),
    }
}

/// A request to `target`, signed over `path`.
fn signed(algorithm: Algorithm, key: &str, nonce: &str, timestamp: u64, path: &str) -> Lines {
    let timestamp = timestamp.to_string();
    let statement = Statement { method: "POST", path, nonce, timestamp: &timestamp, body: BODY };
    let signature = Secret::new(key).unwrap().sign(algorithm, &statement);
    let mut headers = vec![("X-Auth-Nonce", nonce), ("X-Auth-Timestamp", &timestamp), ("X-Auth-Signature", &signature)];
    if algorithm != Algorithm::Sha1 {
        headers.push(("X-Auth-Algorithm", algorithm.name()));
    }
    lines(&headers)
}

fn admit(gate: &Gate, config: &Config, lines: &Lines, target: &str, now: Now) -> Result<String, Reason> {
    let request = Received { method: "POST", target, lines, body: BODY };
    gate.admit(config, &request, peer(1), now).map(|key| key.name.to_string()).map_err(|refusal| refusal.reason)
}

#[test]
fn either_of_two_keys_opens_and_is_named() {
    let (gate, config) = (Gate::new(now(NOW_S), Tally::default()), config(&["old", "new"]));
    for key in ["old", "new"] {
        let lines = signed(Algorithm::Sha1, key, &format!("nonce-of-the-key-{key}"), NOW_S, "/shell");
        assert_eq!(admit(&gate, &config, &lines, "/shell", now(NOW_S)), Ok(format!("key {key}")));
    }
    let lines = signed(Algorithm::Sha1, "another", "0123456789abcdef", NOW_S, "/shell");
    assert_eq!(admit(&gate, &config, &lines, "/shell", now(NOW_S)), Err(Reason::Unauthorized));
    let none = Config::default();
    assert_eq!(admit(&gate, &none, &lines, "/shell", now(NOW_S)), Err(Reason::Unavailable));
}

#[test]
fn every_header_is_there_once_and_well_formed() {
    let (gate, config) = (Gate::new(now(NOW_S), Tally::default()), config(&["s3cr3t"]));
    let signature = "4D948F7BAC868ACBA65C335EE6593D2F2D173B7A";
    let good = [
        ("X-Auth-Nonce", "0123456789abcdef0123456789abcdef"),
        ("X-Auth-Timestamp", "1700000000"),
        ("X-Auth-Signature", signature),
    ];
    let refused = |headers: &[(&str, &str)]| {
        let found = admit(&gate, &config, &lines(headers), "/shell", now(NOW_S));
        assert_eq!(found, Err(Reason::Unauthorized), "{headers:?}");
    };
    for at in 0..3 {
        let mut headers = good.to_vec();
        headers.remove(at);
        refused(&headers);
        headers = good.to_vec();
        headers.push(good[at]);
        refused(&headers);
        let long = "a".repeat(129);
        for wrong in ["", "short", "0123456789abcde/", "-1", "1700000000.0", "1234567890123", &long, &signature[1..]] {
            let mut headers = good;
            headers[at].1 = wrong;
            refused(&headers);
        }
    }
    for algorithm in ["HMAC-SHA256", "HMAC-MD5", ""] {
        let mut headers = good.to_vec();
        headers.push(("X-Auth-Algorithm", algorithm));
        refused(&headers);
    }
    assert!(admit(&gate, &config, &lines(&good), "/shell", now(NOW_S)).is_ok());
    let lower = good.map(|(name, value)| (name, value.to_ascii_lowercase()));
    let lower = lower.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(admit(&gate, &config, &lines(&lower), "/shell", now(NOW_S)), Err(Reason::Replayed));
}

#[test]
fn a_request_that_was_overheard_stays_worthless_when_the_clock_is_set_back() {
    let (gate, config, start) = (Gate::new(now(NOW_S), Tally::default()), config(&["s3cr3t"]), Instant::now());
    let at = |after| start + Duration::from_secs(after);
    let overheard = signed(Algorithm::Sha1, "s3cr3t", "nonce-0000000001", NOW_S + 10, "/shell");
    let admitted = |lines: &Lines, unix_s, at| admit(&gate, &config, lines, "/shell", Now { unix_s, at });
    assert!(admitted(&overheard, NOW_S + 10, at(10)).is_ok());
    let later = signed(Algorithm::Sha1, "s3cr3t", "nonce-0000000002", NOW_S + 400, "/shell");
    assert!(admitted(&later, NOW_S + 400, at(400)).is_ok());
    assert_eq!(admitted(&overheard, NOW_S + 12, at(402)), Err(Reason::Expired));
}

#[test]
fn the_query_is_signed_or_not_and_nothing_else_is() {
    let (gate, config) = (Gate::new(now(NOW_S), Tally::default()), config(&["s3cr3t"]));
    let check = |nonce: &str, path: &str, target: &str, expected: bool| {
        let lines = signed(Algorithm::Sha1, "s3cr3t", nonce, NOW_S, path);
        assert_eq!(admit(&gate, &config, &lines, target, now(NOW_S)).is_ok(), expected, "{path} {target}");
    };
    check("nonce-0000000001", "/shell", "/shell?a=1", true);
    check("nonce-0000000002", "/shell?a=1", "/shell?a=1", true);
    check("nonce-0000000003", "/shell?a=2", "/shell?a=1", false);
    check("nonce-0000000004", "/shell?", "/shell", false);
}

#[test]
fn the_clock_may_be_off_by_the_window_and_no_more() {
    let (gate, config) = (Gate::new(now(NOW_S - 1000), Tally::default()), config(&["s3cr3t"]));
    let check = |off: i64, expected: bool| {
        let nonce = format!("nonce-of-the-time-{off}");
        let lines = signed(Algorithm::Sha1, "s3cr3t", &nonce, NOW_S.checked_add_signed(off).unwrap(), "/shell");
        let found = admit(&gate, &config, &lines, "/shell", now(NOW_S));
        let expected = if expected { Ok("key s3cr3t".to_owned()) } else { Err(Reason::Expired) };
        assert_eq!(found, expected, "{off}");
    };
    for (off, expected) in [(-61, false), (-60, true), (-59, true), (59, true), (60, true), (61, false)] {
        check(off, expected);
    }
    let young = Gate::new(now(NOW_S), Tally::default());
    let lines = signed(Algorithm::Sha1, "s3cr3t", "before-the-start", NOW_S - 1, "/shell");
    assert_eq!(admit(&young, &config, &lines, "/shell", now(NOW_S)), Err(Reason::Expired));
}

#[test]
fn a_stronger_hash_can_be_asked_for() {
    let gate = Gate::new(now(NOW_S), Tally::default());
    let strict = Config { algorithm_min: Algorithm::Sha256, ..config(&["s3cr3t"]) };
    let sha1 = signed(Algorithm::Sha1, "s3cr3t", "nonce-0000000001", NOW_S, "/shell");
    assert_eq!(admit(&gate, &strict, &sha1, "/shell", now(NOW_S)), Err(Reason::Unauthorized));
    let sha256 = signed(Algorithm::Sha256, "s3cr3t", "nonce-0000000002", NOW_S, "/shell");
    assert!(admit(&gate, &strict, &sha256, "/shell", now(NOW_S)).is_ok());
}

#[test]
fn only_what_was_signed_is_remembered_and_a_full_memory_says_so() {
    let gate = Gate::new(now(NOW_S), Tally::default());
    let bounds = Bounds { nonces_max: 2, bad_signatures_max: u32::MAX, ..Bounds::default() };
    let config = Config { bounds, ..config(&["s3cr3t"]) };
    for n in 0..1000 {
        let lines = signed(Algorithm::Sha1, "guess", &format!("nonce-of-a-guess-{n}"), NOW_S, "/shell");
        assert_eq!(admit(&gate, &config, &lines, "/shell", now(NOW_S)), Err(Reason::Unauthorized));
    }
    for (n, expected) in [(1, None), (2, None), (3, Some(Reason::TooMany)), (1, Some(Reason::Replayed))] {
        let lines = signed(Algorithm::Sha1, "s3cr3t", &format!("nonce-of-the-key-{n}"), NOW_S, "/shell");
        assert_eq!(admit(&gate, &config, &lines, "/shell", now(NOW_S)).err(), expected);
    }
}

#[test]
fn ten_guesses_shut_out_one_address_whatever_it_says_then() {
    let (gate, config, lines) =
        (Gate::new(now(NOW_S), Tally::default()), config(&["s3cr3t"]), |key: &str, nonce: &str| {
            signed(Algorithm::Sha1, key, nonce, NOW_S, "/shell")
        });
    for n in 0..10 {
        let guess = lines("guess", &format!("nonce-of-a-guess-{n}"));
        assert_eq!(admit(&gate, &config, &guess, "/shell", now(NOW_S)), Err(Reason::Unauthorized));
    }
    let good = lines("s3cr3t", "nonce-0000000001");
    assert_eq!(admit(&gate, &config, &good, "/shell", now(NOW_S)), Err(Reason::TooMany));
    let request = Received { method: "POST", target: "/shell", lines: &good, body: BODY };
    assert!(gate.admit(&config, &request, peer(2), now(NOW_S)).is_ok());
}
