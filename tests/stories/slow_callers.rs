//! Callers who say that a body comes, and let it wait: they wait at their connection, and not in a
//! container that others could have.

use std::time::Duration;

use hotfn_tests::binaries;
use hotfn_tests::node::{Function, Home, Node};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One container and no more.
fn narrow(grace_s: i64) -> Home {
    let echo = Function::new("echo", &binaries::image("echo")).set("memory", 128).set("timeout", 60);
    Home::with(&[("memory", 128), ("request_body_grace", grace_s)], &[echo])
}

/// Connects and sends a call of `echo`, as far as this goes.
async fn begin(node: &Node, headers: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    let head = format!("POST /invoke/echo HTTP/1.1\r\nHost: stories.example\r\n{headers}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    stream
}

/// All that is answered, up to the end of the connection.
async fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

/// With a bound that only a failure reaches.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what).await.expect("it came within 30 s")
}

fn is_too_slow(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    for part in
        ["Connection: close\r\n", "fn-blame: caller", "\"code\":\"call_slow\"", "slower than 256 bytes a second"]
    {
        assert!(answer.to_lowercase().contains(&part.to_lowercase()), "{answer} should have {part:?}");
    }
}

#[tokio::test]
async fn bodies_that_never_come_keep_no_container_from_others() {
    let home = narrow(2);
    let node = home.start().await;
    assert_eq!(node.invoke("echo", "warm").await.ok().text(), "warm");
    let mut silent = Vec::new();
    for (headers, body) in [
        ("Content-Length: 1", ""),
        ("Content-Length: 2", "x"),
        ("Content-Length: 1000000", "not yet what has to come first"),
        ("Transfer-Encoding: chunked", ""),
        ("Transfer-Encoding: chunked", "5\r\n"),
    ] {
        for _ in 0..4 {
            silent.push(begin(&node, headers, body.as_bytes()).await);
        }
    }
    for _ in 0..20 {
        assert_eq!(node.invoke("echo", "meanwhile").await.ok().text(), "meanwhile");
    }
    for stream in silent {
        is_too_slow(&answer(stream).await);
    }
    node.drain().await;
}

#[tokio::test]
async fn a_body_that_stops_coming_gives_its_container_back() {
    let home = narrow(1);
    let node = home.start().await;
    assert_eq!(node.invoke("echo", "warm").await.ok().text(), "warm");
    let container = home.containers();
    let long = vec![b'x'; 100_000];
    for (headers, body) in [("Transfer-Encoding: chunked", &b"3\r\none\r\n"[..]), ("Content-Length: 1000000", &long)] {
        let stopped = begin(&node, headers, body).await;
        // It waits for the container, which is then as good as before.
        assert_eq!(node.invoke("echo", "next").await.ok().text(), "next", "{headers}");
        assert_eq!(home.containers(), container, "{headers}");
        let told = answer(stopped).await;
        // The function may have begun to answer: what it is cut with then is the connection's end.
        assert!(told.starts_with("HTTP/1.1 200 ") || told.contains("\"code\":\"call_slow\""), "{headers}: {told}");
    }
    node.drain().await;
}

#[tokio::test]
async fn who_waits_to_be_asked_for_a_body_is_asked() {
    let home = narrow(10);
    let node = home.start().await;
    for headers in ["Content-Length: 4", "Content-Length: 100000", "Transfer-Encoding: chunked"] {
        let mut stream = begin(&node, &format!("Connection: close\r\nExpect: 100-continue\r\n{headers}"), b"").await;
        let mut asked = [0; 25];
        soon(stream.read_exact(&mut asked)).await.unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n", "{headers}");
        let body = match headers {
            "Content-Length: 4" => "here".to_owned(),
            "Content-Length: 100000" => "x".repeat(100_000),
            _ => "4\r\nhere\r\n0\r\n\r\n".to_owned(),
        };
        stream.write_all(body.as_bytes()).await.unwrap();
        assert!(answer(stream).await.starts_with("HTTP/1.1 200 OK\r\n"), "{headers}");
    }
    node.drain().await;
}
