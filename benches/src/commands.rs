//! Load on a service of host commands, and the yardsticks beside it.
//!
//! Each mode does its work a number of times and prints the seconds that took:
//!
//! * `spawn N`: `sh -c true`, started and waited for by the standard library, one after another. What
//!   a service that starts a shell for each request can at best come close to.
//! * `signed URL KEY CONNECTIONS N`: as many `POST /shell` that wait for `true`.
//! * `plain URL CONNECTIONS N`: as many `POST` to another service that runs the same.
//! * `check N`: signatures made and compared, a body of 100 bytes each.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

const BODY: &str = r#"{"command":"true","wait":true}"#;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let began = Instant::now();
    match words.as_slice() {
        ["spawn", times] => spawn(times.parse()?)?,
        ["signed", url, key, connections, times] => {
            let key = Hmac::<Sha1>::new_from_slice(key.as_bytes())?;
            load(url, connections.parse()?, times.parse()?, |path| signed(&key, path))?;
        }
        ["plain", url, connections, times] => load(url, connections.parse()?, times.parse()?, |_| String::new())?,
        ["check", times] => check(times.parse()?),
        _ => bail!("spawn N, signed URL KEY CONNECTIONS N, plain URL CONNECTIONS N or check N"),
    }
    println!("{}", began.elapsed().as_secs_f64());
    Ok(())
}

fn spawn(times: u64) -> Result<()> {
    for _ in 0..times {
        ensure!(Command::new("/bin/sh").args(["-c", "true"]).status()?.success());
    }
    Ok(())
}

/// `times` requests over so many connections at once, each of which waits for its answers.
fn load(url: &str, connections: usize, times: u64, headers: impl Fn(&str) -> String + Sync) -> Result<()> {
    let (authority, path) =
        url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).context("http://HOST/PATH")?;
    let path = format!("/{path}");
    let left = AtomicU64::new(times);
    let take = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
    std::thread::scope(|scope| {
        let work = || -> Result<()> {
            let mut stream = BufReader::new(TcpStream::connect(authority)?);
            stream.get_ref().set_nodelay(true)?;
            while take() {
                let more = headers(&path);
                let length = BODY.len();
                let request = format!(
                    "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
                     {more}\r\n{BODY}"
                );
                stream.get_mut().write_all(request.as_bytes())?;
                answer(&mut stream)?;
            }
            Ok(())
        };
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("it does not panic"))
    })
}

/// Reads one answer, which must be good.
fn answer(stream: &mut BufReader<TcpStream>) -> Result<()> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    ensure!(line.starts_with("HTTP/1.1 200"), "{line}");
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse()?,
            Some(_) => {}
            None => break,
        }
    }
    stream.read_exact(&mut vec![0; length])?;
    Ok(())
}

/// The three headers, with a nonce that nobody had before.
fn signed(key: &Hmac<Sha1>, path: &str) -> String {
    static NONCES: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    let nonce = format!("{:016x}{:016x}", now.as_nanos() as u64, NONCES.fetch_add(1, Ordering::Relaxed));
    let timestamp = now.as_secs();
    let mut mac = key.clone();
    mac.update(format!("POST\n{path}\n{nonce}\n{timestamp}\n{BODY}").as_bytes());
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
    format!("X-Auth-Nonce: {nonce}\r\nX-Auth-Timestamp: {timestamp}\r\nX-Auth-Signature: {signature}\r\n")
}

fn check(times: u64) {
    let key = Hmac::<Sha1>::new_from_slice(b"0123456789abcdef").expect("a key of any length will do");
    let body = [b'x'; 100];
    let mut wrong = 0;
    for _ in 0..times {
        let mut mac = key.clone();
        mac.update(std::hint::black_box(&body));
        wrong += u64::from(mac.verify_slice(&[0; 20]).is_err());
    }
    assert_eq!(wrong, times, "none of them is right");
}
