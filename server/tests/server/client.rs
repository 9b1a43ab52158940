//! A client that sees every byte.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::soon;

/// One connection.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: S,
    /// What was read and not asked for yet.
    read: Vec<u8>,
}

/// An answer whose body is known by its length.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self::of(soon(TcpStream::connect(addr)).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn of(stream: S) -> Self {
        Self { stream, read: Vec::new() }
    }

    /// Sends text in which a line's end is written `\n`.
    pub(crate) async fn send(&mut self, text: &str) {
        soon(self.stream.write_all(text.replace('\n', "\r\n").as_bytes())).await.unwrap();
    }

    /// Reads until `end` was read, and gives everything up to there.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|w| w == end.as_bytes()) {
                let text = self.read.drain(..at + end.len()).collect();
                return String::from_utf8(text).unwrap();
            }
            let read = soon(self.stream.read_buf(&mut self.read)).await.unwrap();
            assert!(read > 0, "closed before {end:?}, after {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    pub(crate) async fn head(&mut self) -> Answer {
        let head = self.until("\r\n\r\n").await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: String::new() }
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        let length: usize = answer.header("content-length").map_or(0, |l| l.parse().unwrap());
        while self.read.len() < length {
            assert!(soon(self.stream.read_buf(&mut self.read)).await.unwrap() > 0, "closed within the body");
        }
        answer.body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        answer
    }

    /// Everything up to the connection's end.
    pub(crate) async fn rest(mut self) -> String {
        // A reset is an end too.
        let _ = soon(self.stream.read_to_end(&mut self.read)).await;
        String::from_utf8(self.read).unwrap()
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some("application/json; charset=utf-8"));
        assert!(self.body.ends_with("}\n"), "{:?}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }
}

/// One request, one answer.
pub(crate) async fn ask(addr: SocketAddr, request: &str) -> Answer {
    let mut client = Client::connect(addr).await;
    client.send(request).await;
    client.answer().await
}
