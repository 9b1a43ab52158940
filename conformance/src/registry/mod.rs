//! A registry with one image, that is as slow or as strict as a case wants it.
//!
//! It knows the few requests by which an image is pulled, and speaks plain HTTP on the loopback, which
//! engines allow. Nothing can be pushed to it.

mod image;

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use bytes::BytesMut;

use crate::check::{Run, ours};
use crate::wire::incoming;

pub(crate) use self::image::Image;

/// What the image is called there.
const NAME: &str = "conformance/witness";
/// What every answer of a registry carries.
const VERSION: &str = "Docker-Distribution-Api-Version: registry/2.0";

/// How it treats those who ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Manner {
    /// It has no image.
    Empty,
    /// It takes requests and never answers.
    Hung,
    /// It has the image for those with a password, of whom there are none.
    Locked,
    /// It has the image.
    Open,
    /// It has the image, and gives it only after so long.
    Slow(Duration),
}

/// One that serves. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Registry {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
}

impl Registry {
    /// Serves `image`.
    pub(crate) fn start(image: Image, manner: Manner) -> Run<Self> {
        let listener = ours(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)), "start a registry")?;
        let address = ours(listener.local_addr(), "start a registry")?;
        let (image, ends) = (Arc::new(image), Arc::new(AtomicBool::new(false)));
        let ended = ends.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (image, ended) = (image.clone(), ended.clone());
                // Who asks may leave at any time.
                thread::spawn(move || drop(converse(stream, &image, manner, &ended)));
            }
        });
        Ok(Self { address, ends })
    }

    /// What the image is called by whoever pulls it.
    pub(crate) fn reference(&self) -> String {
        format!("{}/{NAME}:latest", self.address)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        // It waits for a connection, so this is the last.
        let _ = TcpStream::connect(self.address);
    }
}

/// One request after another.
fn converse(mut stream: TcpStream, image: &Image, manner: Manner, ended: &AtomicBool) -> io::Result<()> {
    let mut kept = BytesMut::new();
    while let Some((method, path)) = next(&mut stream, &mut kept)? {
        let answer = match manner {
            Manner::Hung => {
                while !ended.load(Ordering::SeqCst) {
                    thread::sleep(LOOK_EVERY);
                }
                return Ok(());
            }
            Manner::Locked => refused(401, "UNAUTHORIZED", "WWW-Authenticate: Basic realm=\"conformance\"\r\n"),
            Manner::Empty if path != "/v2/" => refused(404, "NAME_UNKNOWN", ""),
            Manner::Slow(pause) if path.contains("/blobs/") => {
                thread::sleep(pause);
                found(image, &path)
            }
            Manner::Empty | Manner::Open | Manner::Slow(_) => found(image, &path),
        };
        // The length of what would follow is told to who asks for the head alone.
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
        stream.write_all(if method == "HEAD" { &answer[..end] } else { &answer })?;
    }
    Ok(())
}

/// How often one that hangs looks whether it may end.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What there is at a path.
fn found(image: &Image, path: &str) -> Vec<u8> {
    if path == "/v2/" {
        return ok("application/json", "", b"{}");
    }
    let Some(rest) = path.strip_prefix(&format!("/v2/{NAME}/")) else { return refused(404, "NAME_UNKNOWN", "") };
    let asked = rest.split_once('/').unwrap_or((rest, ""));
    match (asked, image.blob(asked.1)) {
        (("manifests", "latest"), _) => manifest(image),
        (("manifests", digest), _) if digest == image.digest() => manifest(image),
        (("blobs", digest), Some(blob)) => {
            ok("application/octet-stream", &format!("Docker-Content-Digest: {digest}\r\n"), blob)
        }
        (("manifests", _), _) => refused(404, "MANIFEST_UNKNOWN", ""),
        _ => refused(404, "BLOB_UNKNOWN", ""),
    }
}

fn manifest(image: &Image) -> Vec<u8> {
    ok(image::MANIFEST, &format!("Docker-Content-Digest: {}\r\n", image.digest()), image.manifest())
}

fn ok(content_type: &str, more: &str, body: &[u8]) -> Vec<u8> {
    answer(200, content_type, more, body)
}

fn refused(status: u16, code: &str, more: &str) -> Vec<u8> {
    let body = format!("{{\"errors\":[{{\"code\":\"{code}\",\"message\":\"as the case wants it\"}}]}}");
    answer(status, "application/json", more, body.as_bytes())
}

fn answer(status: u16, content_type: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\n{VERSION}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n{more}\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Method and path of the next request; what else is in it does not matter. `None` when there is none.
fn next(stream: &mut TcpStream, kept: &mut BytesMut) -> io::Result<Option<(String, String)>> {
    let Some((head, _)) = incoming(stream, kept)? else { return Ok(None) };
    let head = String::from_utf8_lossy(&head);
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    Ok(Some((method.to_owned(), path.to_owned())))
}
