//! Just enough HTTP/1.1 to read answers strictly.

use std::io::{ErrorKind, Read, Write};

/// One end of a connection, and what was read too much.
pub(crate) struct Wire<S> {
    stream: S,
    kept: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let values = self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        values.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// The one value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let mut values = self.all(name);
        assert!(values.len() < 2, "{name} came twice: {values:?}");
        values.pop()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e} in {self:?}"))
    }
}

impl<S> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, kept: Vec::new() }
    }

    pub(crate) fn get_ref(&self) -> &S {
        &self.stream
    }
}

impl<S: Read + Write> Wire<S> {
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    pub(crate) fn call(&mut self, body: impl AsRef<[u8]>) -> Answer {
        self.call_with("", body)
    }

    pub(crate) fn call_with(&mut self, headers: &str, body: impl AsRef<[u8]>) -> Answer {
        self.send(request(headers, body));
        self.answer()
    }
}

impl<S: Read> Wire<S> {
    /// Reads one answer, to its exact end.
    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().expect("the connection ended before the answer did")
    }

    /// The same; `None` if the connection ends within it.
    pub(crate) fn try_answer(&mut self) -> Option<Answer> {
        let head = self.until(b"\r\n\r\n")?;
        let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let status_line = String::from_utf8(lines.next()?.to_vec()).unwrap();
        let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest[..3].parse().ok()).expect("a status");
        let headers = lines.filter(|line| !line.is_empty()).map(|line| {
            let colon = line.iter().position(|byte| *byte == b':').expect("a header");
            (String::from_utf8(line[..colon].to_vec()).unwrap(), line[colon + 1..].trim_ascii().to_vec())
        });
        let mut answer = Answer { status, headers: headers.collect(), body: Vec::new() };
        if answer.header("transfer-encoding").is_some() {
            loop {
                let size = self.until(b"\r\n")?;
                let size =
                    usize::from_str_radix(std::str::from_utf8(&size).unwrap().trim(), 16).expect("a chunk's size");
                answer.body.extend(self.exactly(size)?);
                assert_eq!(self.exactly(2)?, b"\r\n");
                if size == 0 {
                    return Some(answer);
                }
            }
        }
        if status >= 200 {
            let length = answer.header("content-length").expect("a length or chunks").parse().unwrap();
            answer.body = self.exactly(length)?;
        }
        Some(answer)
    }

    /// Has the peer closed, with nothing more to say?
    pub(crate) fn is_closed(&mut self) -> bool {
        self.kept.is_empty() && !self.fill()
    }

    /// Reads until the peer closes.
    pub(crate) fn drain(&mut self) {
        while self.fill() {}
    }

    /// Reads up to and with `end`.
    pub(crate) fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.kept.windows(end.len()).position(|window| window == end) {
                return Some(self.kept.drain(..at + end.len()).collect());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    pub(crate) fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.kept.len() < length {
            if !self.fill() {
                return None;
            }
        }
        Some(self.kept.drain(..length).collect())
    }

    fn fill(&mut self) -> bool {
        let mut piece = vec![0; 1 << 16];
        match self.stream.read(&mut piece) {
            Ok(0) => false,
            Ok(n) => {
                self.kept.extend_from_slice(&piece[..n]);
                true
            }
            Err(e) if e.kind() == ErrorKind::ConnectionReset => false,
            Err(e) => panic!("no answer came: {e}"),
        }
    }
}

/// A plain call as an agent sends it; `headers` are whole lines.
pub(crate) fn request(headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("POST /call HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
