//! What it is told to do with a call.
//!
//! | step | what happens |
//! |---|---|
//! | `send TEXT` | these bytes go out; `%0d` is one |
//! | `ok` | a good answer: the name of the container |
//! | `saw` | a good answer: what was seen |
//! | `look` | a good answer: what the container lets it do |
//! | `fill N` | N times `x` |
//! | `trickle N MS` | N times `x`, a pause after each |
//! | `pause MS`, `hang` | nothing, for a while or for ever |
//! | `close` | the connection is closed |
//! | `exit N`, `crash` | the process ends, or is killed |
//! | `later MS` | the process ends after a while |
//! | `eat N` | N MiB of memory are used |
//! | `spin` | from now on the processor is used, whenever it may |
//! | `print N` | N bytes in lines on standard output, then on standard error |
//! | `say TEXT`, `say-later MS TEXT` | a line on standard error, now or after a while |
//! | `write-later MS TEXT` | bytes on standard output after a while, whatever goes on then |

use std::io::{self, Write as _};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

use super::sight::{Sight, container};
use super::{Surroundings, Voice};

/// The first line of a body with steps.
const MARK: &[u8] = b"witness\n";

pub(super) fn follow(voice: &mut impl Voice, body: &[u8], sight: &Sight) -> io::Result<()> {
    let Some(steps) = body.strip_prefix(MARK) else { return saw(voice, sight) };
    for step in String::from_utf8_lossy(steps).lines() {
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        let count = || number(rest);
        match word {
            "close" => return Err(io::ErrorKind::NotConnected.into()),
            "crash" => kill_process(getpid(), Signal::KILL)?,
            "eat" => eat(usize::try_from(count()?).map_err(io::Error::other)?),
            "exit" => end(i32::try_from(count()?).unwrap_or(1)),
            "fill" => voice.write_all(&vec![b'x'; usize::try_from(count()?).map_err(io::Error::other)?])?,
            "hang" => loop {
                thread::park();
            },
            "later" => later(count()?, || end(0)),
            "look" => voice.answer(&serde_json::to_vec(&Surroundings::look()).map_err(io::Error::other)?)?,
            "ok" => voice.answer(container().as_bytes())?,
            "pause" => thread::sleep(Duration::from_millis(count()?)),
            "print" => print(count()?)?,
            "saw" => saw(voice, sight)?,
            "say" => eprintln!("{rest}"),
            "say-later" => {
                let (after, text) = timed(rest)?;
                let text = text.to_owned();
                later(after, move || eprintln!("{text}"));
            }
            "send" => voice.write_all(&bytes(rest))?,
            "spin" => drop(thread::spawn(|| {
                loop {
                    std::hint::spin_loop();
                }
            })),
            "trickle" => {
                let (count, pause) = rest.split_once(' ').unwrap_or((rest, "0"));
                for _ in 0..number(count)? {
                    voice.write_all(b"x")?;
                    voice.flush()?;
                    thread::sleep(Duration::from_millis(number(pause)?));
                }
            }
            "write-later" => {
                let (after, text) = timed(rest)?;
                let bytes = bytes(text);
                // Whoever reads it or not: it is nobody's answer.
                later(after, move || drop(io::stdout().write_all(&bytes).and_then(|()| io::stdout().flush())));
            }
            _ => return Err(io::Error::other(format!("{word:?} is no step"))),
        }
    }
    Ok(())
}

fn number(text: &str) -> io::Result<u64> {
    text.parse().map_err(io::Error::other)
}

fn timed(rest: &str) -> io::Result<(u64, &str)> {
    let (after, text) = rest.split_once(' ').unwrap_or((rest, ""));
    Ok((number(after)?, text))
}

fn later(after_ms: u64, does: impl FnOnce() + Send + 'static) {
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(after_ms));
        does();
    });
}

/// Uses so much memory that the kernel must have it ready, and keeps it.
fn eat(mebibytes: usize) {
    let eaten = vec![1_u8; mebibytes << 20];
    std::mem::forget(std::hint::black_box(eaten));
}

#[allow(clippy::disallowed_methods, reason = "to end in the middle of a call is what is asked for")]
fn end(code: i32) -> ! {
    std::process::exit(code)
}

fn saw(voice: &mut impl Voice, sight: &Sight) -> io::Result<()> {
    voice.answer(&serde_json::to_vec(sight).map_err(io::Error::other)?)
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
