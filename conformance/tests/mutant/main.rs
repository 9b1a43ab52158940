//! A function without any kit, that keeps every rule of the contract but the one it is told to break.
//!
//! `conformance-mutant RULE` breaks RULE; without one it is a right function, small enough to be read
//! beside the contract. What it does on demand is in `docs/conformance/function.md`. The only rule it
//! cannot keep is the tidy end after SIGTERM.

mod deeds;
mod http;
mod stdio;

use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

/// Is this the rule to break?
pub(crate) fn breaks(rule: &str) -> bool {
    static RULE: OnceLock<String> = OnceLock::new();
    RULE.get_or_init(|| env::args().nth(1).unwrap_or_default()) == rule
}

/// Ends the whole process, as a function does that is not up to what happened.
#[allow(clippy::disallowed_methods, reason = "to die in the middle of a call is the fault that is asked for")]
pub(crate) fn die() -> ! {
    std::process::exit(7)
}

fn main() -> ExitCode {
    match env::var("FN_FORMAT").as_deref() {
        Ok(format @ ("default" | "http" | "json" | "cloudevent")) if !breaks("any-format") => stdio::serve(format),
        _ => main_over_a_socket(),
    }
}

fn main_over_a_socket() -> ExitCode {
    match start() {
        Ok(listener) => serve(&listener),
        Err(e) if breaks("refuses-well") => {
            eprintln!("{e}");
            ExitCode::SUCCESS
        }
        Err(_) if breaks("refuses-silently") => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("mutant cannot serve: {e}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> io::Result<UnixListener> {
    let wrong = |why: &str| Err(io::Error::other(why.to_owned()));
    if breaks("never-listens") {
        thread::sleep(Duration::from_secs(3600));
    }
    if breaks("writes-beside") {
        let path = format!("/var/tmp/conformance-mutant-{}", std::process::id());
        fs::write(&path, "")?;
        fs::remove_file(&path)?;
    }
    if breaks("greedy") {
        let files: io::Result<Vec<_>> = (0..400).map(|_| fs::File::open("/dev/null")).collect();
        drop(files?);
    }
    if breaks("wakes-badly") {
        thread::spawn(mistrust_the_clock);
    }
    let Ok(listener) = env::var("FN_LISTENER") else { return wrong("FN_LISTENER is not set") };
    let Some(path) = listener.strip_prefix("unix:") else {
        return wrong(&format!("FN_LISTENER is {listener:?}, and must begin with unix:"));
    };
    listen(Path::new(path))
}

/// A hidden socket, open to all; then the link that says it is there.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let named = if breaks("usual-name") { path.with_file_name("lsnr.sock") } else { path.to_owned() };
    let hidden = named.with_extension("hidden");
    if !breaks("keeps-old") {
        for old in [&hidden, &named] {
            let _ = fs::remove_file(old);
        }
    }
    let target = if breaks("absolute-link") { hidden.clone() } else { PathBuf::from(hidden.file_name().unwrap()) };
    if breaks("link-first") {
        symlink(&target, &named)?;
        thread::sleep(Duration::from_secs(1));
    }
    let listener = UnixListener::bind(&hidden)?;
    if !breaks("closed-mode") {
        fs::set_permissions(&hidden, fs::Permissions::from_mode(0o666))?;
    }
    if !breaks("link-first") {
        symlink(&target, &named)?;
    }
    Ok(listener)
}

fn serve(listener: &UnixListener) -> ExitCode {
    for (count, stream) in listener.incoming().enumerate() {
        let Ok(stream) = stream else { return ExitCode::FAILURE };
        if breaks("five-hundred") && count >= 500 {
            continue;
        }
        if breaks("one-at-a-time") {
            converse(&stream);
        } else {
            thread::spawn(move || converse(&stream));
        }
    }
    ExitCode::SUCCESS
}

/// One call after another, until the connection ends.
fn converse(stream: &UnixStream) {
    if breaks("idle-timeout") {
        stream.set_read_timeout(Some(Duration::from_secs(2))).expect("two seconds are more than none");
    }
    let mut reader = io::BufReader::new(stream);
    let mut writer = stream;
    loop {
        let request = match http::read(&mut reader, &mut writer) {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(_) if breaks("dies-of-cuts") => die(),
            Err(_) => return,
        };
        let answered = deeds::answered(&request);
        if let Err(e) = writer.write_all(&deeds::wire(&request, answered.status, &answered.given)) {
            if breaks("dies-of-leavers") {
                eprintln!("nobody takes the answer: {e}");
                die();
            }
            return;
        }
        if !answered.late.is_empty() {
            thread::sleep(Duration::from_millis(100));
            deeds::print(&answered.late);
        }
        if breaks("closes") {
            return;
        }
    }
}

/// Takes a long pause of its own for a reason to give up.
fn mistrust_the_clock() {
    loop {
        let began = Instant::now();
        thread::sleep(Duration::from_millis(100));
        if began.elapsed() > Duration::from_secs(5) {
            die();
        }
    }
}
