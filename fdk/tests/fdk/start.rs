//! How a function begins: cases 1 to 10.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use rustix::process::Signal;

use crate::served::{Served, command, names, run};

/// 1, 6, 7, 8.
#[test]
fn the_name_is_a_relative_link_to_an_open_socket_that_answers_at_once() {
    let served = Served::new("echo");
    assert_eq!(served.call("at once").text(), "at once");
    let target = fs::read_link(&served.path).unwrap();
    assert_eq!(target.parent(), Some(Path::new("")));
    let socket = fs::metadata(&served.path).unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.permissions().mode() & 0o777, 0o666);
}

/// 5.
#[test]
fn the_listener_may_be_anywhere_under_any_name() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let served = Served::within(dir, "another name", "echo", &[]);
    assert_eq!(served.call("x").status, 200);
}

/// 2, 3, 4: those who need a socket say so, those who do not know the format too.
#[test]
fn what_cannot_be_served_ends_with_a_message_that_names_it() {
    let check = |env: &[(&str, &str)], words: &[&str]| {
        let (status, output, message) = run(command("echo", env), b"");
        assert!(!status.success() && output.is_empty(), "{env:?}");
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    check(&[("FN_FORMAT", "http-stream")], &["FN_LISTENER", "unix:"]);
    check(&[("FN_FORMAT", "http-stream"), ("FN_LISTENER", "")], &["FN_LISTENER", "unix:"]);
    for listener in ["tcp://localhost:8080", "/tmp/lsnr.sock", "unix:lsnr.sock"] {
        check(&[("FN_FORMAT", "http-stream"), ("FN_LISTENER", listener)], &["FN_LISTENER", listener, "unix:"]);
    }
    check(&[("FN_LISTENER", "unix:/nowhere/at/all/lsnr.sock")], &["FN_LISTENER", "/nowhere/at/all"]);
    check(&[("FN_FORMAT", "grpc")], &["FN_FORMAT", "grpc", "http-stream"]);
    check(&[("FN_SHUTDOWN_MS", "soon")], &["FN_SHUTDOWN_MS", "soon"]);
}

/// 9.
#[test]
fn what_an_earlier_process_left_is_replaced() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let mut earlier = Served::within(dir.clone(), "lsnr.sock", "echo", &[]);
    earlier.signal(Signal::KILL);
    earlier.wait();
    assert_eq!(names(dir.path()).len(), 2);
    let later = Served::within(dir, "lsnr.sock", "echo", &[]);
    assert_eq!(later.call("again").text(), "again");
}

#[test]
fn a_file_in_the_way_is_not_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lsnr.sock");
    fs::write(&path, "precious").unwrap();
    let listener = format!("unix:{}", path.display());
    let (status, _, message) = run(command("echo", &[("FN_LISTENER", &listener)]), b"");
    assert!(!status.success() && message.contains("not a socket"), "{message}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_path_longer_than_an_address_is_fine() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let deep = "d".repeat(150);
    fs::create_dir(dir.path().join(&deep)).unwrap();
    let path = dir.path().join(&deep).join("lsnr.sock");
    let listener = format!("unix:{}", path.display());
    let mut child = command("echo", &[("FN_LISTENER", &listener)]).spawn().unwrap();
    // The test's own end has the same limit, so it only sees that the names come and go.
    while fs::symlink_metadata(&path).is_err() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(crate::served::wait(&mut child).success());
    assert!(names(path.parent().unwrap()).is_empty());
}

/// 49: nothing else is written.
#[test]
fn nothing_but_the_listener_s_directory_is_needed() {
    let served = Served::new("echo");
    assert_eq!(names(served.dir.path()), ["lsnr.sock", "phonylsnr.sock"]);
    assert!(UnixListener::bind(&served.path).is_err());
}
