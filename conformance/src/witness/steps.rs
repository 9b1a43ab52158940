//! What it is told to do with a call.
//!
//! | step | what happens |
//! |---|---|
//! | `send TEXT` | these bytes go out; `%0d` is one |
//! | `ok` | a good answer: the name of the container |
//! | `saw` | a good answer: what was seen |
//! | `fill N` | N times `x` |
//! | `trickle N MS` | N times `x`, a pause after each |
//! | `pause MS`, `hang` | nothing, for a while or for ever |
//! | `close` | the connection is closed |
//! | `exit N` | the process ends |
//! | `later MS` | the process ends after a while |
//! | `print N` | N bytes in lines on standard output, then on standard error |

use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use super::sight::{Sight, container};

/// The first line of a body with steps.
const MARK: &[u8] = b"witness\n";

pub(super) fn follow(stream: &mut UnixStream, body: &[u8], sight: &Sight) -> io::Result<()> {
    let Some(steps) = body.strip_prefix(MARK) else { return saw(stream, sight) };
    for step in String::from_utf8_lossy(steps).lines() {
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        let number = || rest.parse::<u64>().map_err(io::Error::other);
        match word {
            "close" => return Err(io::ErrorKind::NotConnected.into()),
            "exit" => end(i32::try_from(number()?).unwrap_or(1)),
            "fill" => stream.write_all(&vec![b'x'; usize::try_from(number()?).map_err(io::Error::other)?])?,
            "hang" => loop {
                thread::park();
            },
            "later" => {
                let after = Duration::from_millis(number()?);
                thread::spawn(move || {
                    thread::sleep(after);
                    end(0);
                });
            }
            "ok" => answer(stream, container().as_bytes())?,
            "pause" => thread::sleep(Duration::from_millis(number()?)),
            "print" => print(number()?)?,
            "saw" => saw(stream, sight)?,
            "send" => stream.write_all(&bytes(rest))?,
            "trickle" => {
                let (count, pause) = rest.split_once(' ').unwrap_or((rest, "0"));
                for _ in 0..count.parse::<u64>().map_err(io::Error::other)? {
                    stream.write_all(b"x")?;
                    thread::sleep(Duration::from_millis(pause.parse().map_err(io::Error::other)?));
                }
            }
            _ => return Err(io::Error::other(format!("{word:?} is no step"))),
        }
    }
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "to end in the middle of a call is what is asked for")]
fn end(code: i32) -> ! {
    std::process::exit(code)
}

fn saw(stream: &mut UnixStream, sight: &Sight) -> io::Result<()> {
    answer(stream, &serde_json::to_vec(sight).map_err(io::Error::other)?)
}

fn answer(stream: &mut UnixStream, body: &[u8]) -> io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/x-witness\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat())
}

fn print(bytes: u64) -> io::Result<()> {
    let line = format!("{}\n", "x".repeat(79));
    for _ in 0..bytes / 80 {
        io::stdout().write_all(line.as_bytes())?;
        io::stderr().write_all(line.as_bytes())?;
    }
    io::stdout().flush()
}

/// `%0d` is a byte.
fn bytes(text: &str) -> Vec<u8> {
    let (mut bytes, mut text) = (Vec::new(), text);
    while let Some((before, after)) = text.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let code = after.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(code.unwrap_or(b'%'));
        text = if code.is_some() { &after[2..] } else { after };
    }
    bytes.extend_from_slice(text.as_bytes());
    bytes
}
