//! Faults below any protocol: bytes in, bytes out, as told.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;
use std::{env, fs};

use anyhow::bail;

use crate::script::{Step, steps};
use crate::{deeds, start};

/// Serves as `FN_FORMAT` says, but raw.
pub(crate) fn serve_as_told() -> ExitCode {
    if format() != "http-stream" {
        converse(&mut io::stdin().lock(), &mut Wire::Stdout);
        return ExitCode::SUCCESS;
    }
    match start::good() {
        Ok(listener) => serve_listener(&listener),
        Err(e) => {
            eprintln!("faulty cannot listen: {e:#}");
            ExitCode::FAILURE
        }
    }
}

/// Serves connections, each on a thread of its own, until the process is ended.
pub(crate) fn serve_listener(listener: &UnixListener) -> ExitCode {
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => {
                thread::spawn(move || {
                    let Ok(writer) = stream.try_clone() else { return };
                    converse(&mut stream, &mut Wire::Socket(writer));
                });
            }
            Err(e) => {
                eprintln!("faulty cannot accept: {e}");
                return ExitCode::FAILURE;
            }
        }
    }
}

/// Where answers go.
enum Wire {
    Socket(UnixStream),
    Stdout,
}

/// Does each `[[script]]` that comes, until nothing comes any more.
fn converse(calls: &mut impl Read, wire: &mut Wire) {
    let mut kept = Vec::new();
    let mut piece = [0; 4096];
    loop {
        while let Some(script) = script(&mut kept) {
            if let Err(e) = steps(&script).try_for_each(|step| self::step(step, wire)) {
                eprintln!("faulty cannot do {script:?}: {e:#}");
                return;
            }
        }
        match calls.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(n) => kept.extend_from_slice(&piece[..n]),
        }
    }
}

/// Takes the first script, and what is before it, out of the bytes.
fn script(kept: &mut Vec<u8>) -> Option<String> {
    let begin = memchr::memmem::find(kept, b"[[")? + 2;
    let end = begin + memchr::memmem::find(&kept[begin..], b"]]")?;
    let script = String::from_utf8_lossy(&kept[begin..end]).into_owned();
    kept.drain(..end + 2);
    Some(script)
}

fn step(step: Step<'_>, wire: &mut Wire) -> anyhow::Result<()> {
    match step.word {
        "close" => wire.close()?,
        "fill" => wire.send(&vec![b'x'; usize::try_from(step.number()?)?])?,
        "hang" => loop {
            thread::park();
        },
        "ok" => wire.send(good_answer().as_bytes())?,
        "pause" => thread::sleep(Duration::from_millis(step.number()?)),
        "send" => wire.send(&step.bytes())?,
        "trickle" => {
            let Some((count, pause)) = step.rest.trim().split_once(' ') else { bail!("trickle wants two numbers") };
            for _ in 0..count.parse()? {
                wire.send(b"x")?;
                thread::sleep(Duration::from_millis(pause.parse()?));
            }
        }
        "unlink" => fs::remove_file(listener_path())?,
        word if !deeds::done(step)? => bail!("{word:?} is no fault of the raw wire"),
        _ => {}
    }
    Ok(())
}

impl Wire {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Socket(stream) => stream.write_all(bytes),
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes).and_then(|()| stdout.flush())
            }
        }
    }

    fn close(&self) -> io::Result<()> {
        match self {
            Self::Socket(stream) => stream.shutdown(std::net::Shutdown::Both),
            // In its place there is something that can be written to and read by nobody.
            Self::Stdout => Ok(rustix::stdio::dup2_stdout(fs::File::options().write(true).open("/dev/null")?)?),
        }
    }
}

/// An answer that any platform takes for one.
fn good_answer() -> String {
    let pid = std::process::id().to_string();
    match format().as_str() {
        "http" | "http-stream" => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{pid}", pid.len()),
        "json" => format!("{{\"body\":\"{pid}\"}}\n"),
        "cloudevent" => format!(
            "{{\"cloudEventsVersion\":\"0.1\",\"eventID\":\"1\",\"source\":\"faulty\",\"eventType\":\"http\",\
             \"contentType\":\"text/plain\",\"data\":\"{pid}\"}}\n"
        ),
        _ => pid,
    }
}

fn format() -> String {
    env::var("FN_FORMAT").unwrap_or_default()
}

/// Where the platform looks for the socket.
pub(crate) fn listener_path() -> PathBuf {
    let listener = env::var("FN_LISTENER").unwrap_or_default();
    PathBuf::from(listener.strip_prefix("unix:").unwrap_or(&listener))
}
