//! A node is replaced by another process, and nobody who calls it notices.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use hotfn_tests::client::{self, Connection, held, whole};
use hotfn_tests::node::{Function, Home, Node};
use hotfn_tests::{binaries, program, soon, until};
use http::HeaderValue;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Callers who never stop calling.
struct Load {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    callers: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    /// Some keep their connections, until an answer says that it is the last; some make a new one each time.
    fn on(node: &Node) -> Self {
        let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let callers = (0..8).map(|n| {
            let (stop, calls, address) = (stop.clone(), calls.clone(), node.address());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let mut connection = Connection::open(address).await.expect("nobody is refused");
                    loop {
                        let answer = connection.call(client::invoke("echo", whole("load"))).await;
                        let answer = answer.expect("every call is answered").ok();
                        assert_eq!(answer.text(), "load");
                        calls.fetch_add(1, Ordering::Relaxed);
                        if n % 2 == 0 || answer.header("connection") == "close" || stop.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                }
            })
        });
        let callers = callers.collect();
        Self { stop, calls, callers }
    }

    /// Waits until as many more were answered.
    async fn goes_on(&self, more: usize) {
        let before = self.calls.load(Ordering::Relaxed);
        soon("more answers", || (self.calls.load(Ordering::Relaxed) >= before + more).then_some(())).await;
    }

    async fn ends(self) {
        self.stop.store(true, Ordering::Relaxed);
        for caller in join_all(self.callers).await {
            caller.expect("no call failed");
        }
    }
}

#[tokio::test]
async fn a_successor_takes_over_under_load_and_no_call_is_lost() {
    let home = Home::of(&[Function::new("echo", &binaries::image("echo")).set("min_warm", 2)]);
    let old = home.start().await;
    let load = Load::on(&old);
    load.goes_on(200).await;
    // A call that is under way throughout, and a connection that is idle throughout.
    let (body, hold) = held("first", " and last");
    let mut connection = old.connect().await;
    let in_flight = tokio::spawn(async move { connection.call(client::invoke("echo", body)).await });
    let mut idle = old.connect().await;
    assert_eq!(idle.call(client::invoke("echo", whole("idle"))).await.unwrap().ok().text(), "idle");

    let new = home.start_in_place_of(&old).await;
    assert_eq!(new.address(), old.address());
    new.says("took over").await;
    old.says("a successor answers calls").await;
    load.goes_on(200).await;

    let answer = idle.call(client::invoke("echo", whole("still"))).await.unwrap().ok();
    assert_eq!((answer.text().as_str(), answer.header("connection")), ("still", "close"));
    hold.release();
    assert_eq!(in_flight.await.unwrap().unwrap().ok().text(), "first and last");
    let (status, said) = old.end().await;
    assert!(status.success(), "{status}\n{said}");
    load.goes_on(200).await;

    // And once more: the successor has become somebody to take over from.
    let newest = home.start_in_place_of(&new).await;
    newest.says("took over").await;
    let (status, said) = new.end().await;
    assert!(status.success(), "{status}\n{said}");
    load.goes_on(200).await;
    load.ends().await;
    newest.drain().await;
    home.is_bare();
}

/// A process that nobody else ends. It is bound to a descriptor while it lives, since its number may be
/// another's when the story is over.
struct Orphan(OwnedFd);

impl Orphan {
    fn new(pid: i32) -> Self {
        let pid = Pid::from_raw(pid).unwrap();
        Self(pidfd_open(pid, PidfdFlags::empty()).unwrap())
    }

    fn signal(&self, signal: Signal) {
        // It may have ended, as it should.
        let _ = pidfd_send_signal(&self.0, signal);
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

#[tokio::test]
async fn a_signal_starts_the_successor() {
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    let node = home.start().await;
    let address = node.address();
    let load = Load::on(&node);
    node.says("ready").await;
    node.signal(Signal::USR2);
    let said = node.says("a successor answers calls").await;
    let pid = said.split("pid=").nth(1).and_then(|rest| rest.split_whitespace().next());
    let pid = pid.and_then(|pid| pid.trim_matches(|c: char| !c.is_ascii_digit()).parse().ok());
    let successor = Orphan::new(pid.unwrap_or_else(|| panic!("no process in {said:?}")));
    node.end().await;

    load.goes_on(100).await;
    load.ends().await;
    successor.signal(Signal::TERM);
    let gone = || std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err().then_some(());
    soon("the successor to end", gone).await;
    soon("its containers to end", || home.containers().is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_successor_that_cannot_start_changes_nothing() {
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    let node = home.start().await;
    node.says("ready").await;
    let good = fs::read_to_string(home.config()).unwrap();
    fs::write(home.config(), good.clone() + "\nno_such_key = 1\n").unwrap();
    node.signal(Signal::USR2);
    node.says("the successor ended, this process goes on").await;
    assert_eq!(node.invoke("echo", "still here").await.ok().text(), "still here");

    // The next one can.
    fs::write(home.config(), good).unwrap();
    let new = home.start_in_place_of(&node).await;
    new.says("took over").await;
    node.end().await;
    assert_eq!(new.invoke("echo", "here now").await.ok().text(), "here now");
    new.drain().await;
}

#[tokio::test]
async fn connectors_go_over_as_well() {
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    let path = home.scratch().join("lines.sock");
    home.add(&format!(
        "[connector.lines]\ntype = \"unix_socket_server\"\ncodec = \"string\"\npreprocessors = [\"separate\"]\n\
         postprocessors = [\"separate\"]\ncall = \"stories/echo\"\nto = [\"reply\"]\nconfig = {{ path = {path:?} }}\n"
    ));
    let echo = || -> Option<String> {
        let mut stream = UnixStream::connect(&path).ok()?;
        stream.write_all(b"hi\n").ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        Some(line)
    };
    let old = home.start().await;
    assert_eq!(echo().as_deref(), Some("hi\n"));
    let new = home.start_in_place_of(&old).await;
    new.says("took over").await;
    old.end().await;
    // Between the two there is a moment without anybody.
    let line = soon("an answer by the successor's connector", echo).await;
    assert_eq!(line, "hi\n");
    new.drain().await;
}

/// How many lines with an id there are in the file.
fn runs(marks: &Path) -> usize {
    const LINE_BYTES: u64 = 27;
    fs::metadata(marks).map_or(0, |file| usize::try_from(file.len() / LINE_BYTES).unwrap_or(usize::MAX))
}

/// What callers who do not wait were promised, while one process took over from another.
#[tokio::test]
async fn detached_calls_that_either_process_accepts_are_all_run() {
    let folder = tempfile::tempdir().unwrap();
    let (marks, store) = (folder.path().join("marks"), format!("sqlite3://{}", folder.path().join("fn.db").display()));
    let image = r#"process:/bin/sh -c 'echo "$FN_CALL_ID" >> "$MARKS"'"#;
    let mark = Function::new("mark", image).set("format", "default").set("max_containers", 2);
    let home = Home::of(&[mark.config("MARKS", &marks.display().to_string())]);
    let args = ["--db", &*store];
    let old = home.start_with(&args).await;
    let (stop, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers = (0..4).map(|_| {
        let (stop, accepted, marks, address) = (stop.clone(), accepted.clone(), marks.clone(), old.address());
        tokio::spawn(async move {
            let mut ids = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let mut connection = Connection::open(address).await.expect("nobody is refused");
                while !stop.load(Ordering::Relaxed) {
                    let mut request = client::invoke("mark", whole(""));
                    request.headers_mut().insert("fn-invoke-type", HeaderValue::from_static("detached"));
                    let answer = connection.call(request).await.expect("every call is answered").is(202);
                    ids.push(answer.header("fn-call-id").to_owned());
                    accepted.fetch_add(1, Ordering::Relaxed);
                    if answer.header("connection") == "close" {
                        break;
                    }
                    // They are written down faster than they are run, and some hundreds are enough.
                    let waiting = || accepted.load(Ordering::Relaxed).saturating_sub(runs(&marks));
                    soon("earlier ones to be run", || (waiting() < WAITING_MAX).then_some(())).await;
                }
            }
            ids
        })
    });
    let callers: Vec<_> = callers.collect();
    let goes_on = async |more: usize| {
        let before = accepted.load(Ordering::Relaxed);
        soon("more to be accepted", || (accepted.load(Ordering::Relaxed) >= before + more).then_some(())).await;
    };
    goes_on(100).await;
    let new = home.start_in_place_of_with(&old, &args).await;
    new.says("took over").await;
    goes_on(100).await;
    let (status, said) = old.end().await;
    assert!(status.success(), "{status}\n{said}");
    goes_on(100).await;
    stop.store(true, Ordering::Relaxed);
    let mut ids = HashSet::new();
    for caller in callers {
        ids.extend(caller.await.expect("no call failed"));
    }

    let lines = || fs::read_to_string(&marks).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
    let ran = || lines().into_iter().collect::<HashSet<_>>();
    until("every call to be run", ALL_BOUND, || ids.is_subset(&ran()).then_some(())).await;
    // The old process ends in order and gives back what it could not run, so that nobody has to guess.
    let twice = lines().len() - ran().len();
    assert_eq!(twice, 0, "of {} calls", ids.len());
    new.drain().await;
    home.is_bare();
}

/// How many may wait before callers do.
const WAITING_MAX: usize = 100;
/// How long all that were accepted may take: a process each.
const ALL_BOUND: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_path_goes_over_with_its_socket() {
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    let path = home.scratch().join("http.sock");
    let listen = format!("127.0.0.1:0,unix:{}", path.display());
    let old = home.start_at(&listen, &[]).await;
    let inode = || fs::metadata(&path).unwrap().ino();
    let before = inode();
    let call = async |text: &'static str| {
        let mut connection = Connection::open_unix(&path).await.expect("nobody is refused");
        connection.call(client::invoke("echo", whole(text))).await.expect("it is answered").ok()
    };
    assert_eq!(call("old").await.text(), "old");
    let new = home.start_in_place_of(&old).await;
    new.says("took over").await;
    old.end().await;
    assert_eq!((call("new").await.text().as_str(), inode()), ("new", before), "it is the very socket");
    // It knows whose the path is by now: nobody else gets it, and it goes with the last who has it.
    let refused = program::hotfn(&["serve", "--db", "memory", "--listen", &format!("unix:{}", path.display())]);
    assert!(refused.stderr.contains(&format!("in use by process {}", new.pid())), "{}", refused.stderr);
    new.drain().await;
    assert!(!path.exists());
}
