//! The same over standard input and output, in each format.
//!
//! Standard output is the wire: what is said goes to standard error.

use std::io::{self, Read as _, Stdin, Stdout, Write};
use std::process::ExitCode;

use bytes::BytesMut;
use serde_json::{Value, json};

use super::{Sight, Voice, http_answer, steps};
use crate::wire::incoming;

/// Bytes read at a time.
const PIECE_BYTES: usize = 16 << 10;

/// One call after another, until there are no more; `default` has one.
pub(super) fn serve(format: &str) -> ExitCode {
    let mut calls = Calls { input: io::stdin(), kept: BytesMut::new() };
    let mut voice = Spoken { format, to: io::stdout() };
    loop {
        let call = match calls.next(format) {
            Ok(Some(call)) => call,
            Ok(None) => return ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("witness cannot read a call: {e}");
                return ExitCode::FAILURE;
            }
        };
        let (sight, body) = call;
        // Told to close, it closes what it has: its output, with all of itself.
        if steps::follow(&mut voice, &body, &sight).and_then(|()| voice.flush()).is_err() || format == "default" {
            return ExitCode::SUCCESS;
        }
    }
}

struct Calls {
    input: Stdin,
    kept: BytesMut,
}

impl Calls {
    /// What was seen of the next call, and its body.
    fn next(&mut self, format: &str) -> io::Result<Option<(Sight, Vec<u8>)>> {
        match format {
            "default" => {
                let mut body = Vec::new();
                self.input.read_to_end(&mut body)?;
                Ok(Some((Sight::without_head(b"", &body), body)))
            }
            "http" => {
                let call = incoming(&mut self.input, &mut self.kept)?;
                Ok(call.map(|(head, body)| (Sight::of(&head, &body, 0, 1), body)))
            }
            _ => Ok(self.document()?.map(|(bytes, document)| {
                let body = if format == "json" { &document["body"] } else { &document["data"] };
                let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned).into_bytes();
                (Sight::without_head(&bytes, &body), body)
            })),
        }
    }

    /// The next document, byte for byte and read.
    fn document(&mut self) -> io::Result<Option<(Vec<u8>, Value)>> {
        loop {
            let mut documents = serde_json::Deserializer::from_slice(&self.kept).into_iter::<Value>();
            match documents.next() {
                Some(Ok(document)) => {
                    let mut bytes = self.kept.split_to(documents.byte_offset()).to_vec();
                    // The end of the line is the document's.
                    if self.kept.first() == Some(&b'\n') {
                        bytes.extend_from_slice(&self.kept.split_to(1));
                    }
                    return Ok(Some((bytes, document)));
                }
                Some(Err(e)) if !e.is_eof() => return Err(e.into()),
                Some(Err(_)) | None => {}
            }
            let mut piece = [0; PIECE_BYTES];
            match self.input.read(&mut piece)? {
                0 => return Ok(None),
                read => self.kept.extend_from_slice(&piece[..read]),
            }
        }
    }
}

/// Standard output in one format.
struct Spoken<'f> {
    format: &'f str,
    to: Stdout,
}

impl Write for Spoken<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Voice for Spoken<'_> {
    fn answer(&mut self, body: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(body);
        let bytes = match self.format {
            "default" => body.to_vec(),
            "http" => http_answer(body),
            "json" => line(&json!({ "body": text, "content_type": "text/x-witness" })),
            _ => line(&json!({
                "cloudEventsVersion": "0.1", "eventID": "1", "source": "witness", "eventType": "http",
                "contentType": "text/plain", "data": text,
            })),
        };
        self.to.write_all(&bytes)?;
        self.to.flush()
    }
}

fn line(document: &Value) -> Vec<u8> {
    format!("{document}\n").into_bytes()
}
