//! Cases 23 to 33: the server, its socket, and those who mean it no good.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hotfn_exec::client::{Asked, Failure, Version};
use hotfn_exec::packet::{self, Class, How, Request, Streams, Tell};
use hotfn_socket::connect_packets;
use rustix::process::Signal;

use crate::harness::{PATIENCE, Served, client, is_root, line_of, runs, serve, skipped, soon};

#[test]
fn case_23_a_stale_socket_is_taken_over_a_live_one_and_a_file_are_not() {
    let mut served = Served::by("open");
    let mut second = serve(&served.socket(), "open", &served.file("second"));
    assert!(!second.wait().unwrap().success());
    let said = fs::read_to_string(served.file("second")).unwrap();
    assert!(said.contains(&format!("in use by process {}", served.pid().as_raw_pid())), "{said}");

    served.end(Signal::KILL);
    assert!(served.socket().exists(), "a killed server leaves its socket");
    let mut heir = serve(&served.socket(), "open", &served.file("heir"));
    soon("the heir", || connect_packets(&served.socket()).ok());
    heir.kill().unwrap();
    heir.wait().unwrap();

    let file = served.file("file");
    fs::write(&file, "mine").unwrap();
    let mut refused = serve(&file, "open", &served.file("refused"));
    assert!(!refused.wait().unwrap().success());
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

/// That there is no wider instant is held to in the room `socket`, with a tight loop of looks.
#[test]
fn case_24_the_socket_has_the_mode_it_was_given() {
    let served = Served::by("open");
    assert_eq!(fs::metadata(served.socket()).unwrap().permissions().mode() & 0o777, 0o666);
}

#[test]
fn case_25_a_server_removes_its_own_socket_and_nobody_elses() {
    let mut served = Served::by("open");
    assert_eq!(served.end(Signal::TERM), Some(0));
    assert!(!served.socket().exists());

    let mut served = Served::by("open");
    fs::remove_file(served.socket()).unwrap();
    let _other = UnixListener::bind(served.socket()).unwrap();
    assert_eq!(served.end(Signal::TERM), Some(0));
    assert!(served.socket().exists());
}

#[test]
fn case_26_a_peer_without_a_rule_is_refused_and_logged() {
    let served = Served::by("nobody");
    let output = served.run(&["true"]);
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stderr).contains("(policy)"));
    let log = served.log();
    assert!(log.contains("exec refused: no rule is for this caller") && log.contains("class=policy"), "{log}");
}

#[test]
fn case_27_only_what_the_table_has_is_run() {
    let served = Served::by("table");
    assert_eq!(served.run(&["say", "hi"]).stdout, b"said hi\n");
    assert_eq!(served.run(&["/usr/bin/env", "true"]).status.code(), Some(0));
    let outside = served.file("program");
    fs::copy("/bin/true", &outside).unwrap();
    let led = "/usr/bin/../../bin/../tmp";
    for words in [&["say", "--loud"][..], &["/sbin/nologin"], &[outside.to_str().unwrap()], &[led]] {
        let output = served.run(words);
        assert_eq!(output.status.code(), Some(125), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(served.run(&["-w", "/etc", "say"]).status.code(), Some(125));
}

#[test]
fn case_28_another_user_is_a_right_and_is_for_good() {
    if !is_root() {
        return skipped("only root can become another user");
    }
    let who = ["--setuid", "12345", "--setgid", "54321", "cat", "/proc/self/status"];
    let ids = |status: &str, name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let without = String::from_utf8(Served::by("clean").run(&who).stdout).unwrap();
    assert_eq!(ids(&without, "Uid:"), ["0"; 4]);
    let with = String::from_utf8(Served::by("anyone").run(&who).stdout).unwrap();
    assert_eq!((ids(&with, "Uid:"), ids(&with, "Gid:")), (vec!["12345".into(); 4], vec!["54321".into(); 4]));
    assert!(ids(&with, "Groups:").is_empty());
    assert_eq!(ids(&with, "CapEff:"), ["0000000000000000"]);
    assert_eq!(ids(&with, "CapPrm:"), ["0000000000000000"]);
    assert_eq!(ids(&with, "NoNewPrivs:"), ["1"]);
}

#[test]
fn case_29_nobody_brings_the_server_down() {
    let served = Served::by("open");
    for garbage in [&b"\x02"[..], b"\x02\x01\0\0\xff\xff\xff\xff", b"\x07garbage", b"\x01\0\0\0", &[2; 4096], b"\0\0\0"]
    {
        let caller = connect_packets(&served.socket()).unwrap();
        caller.send(garbage, &[]).unwrap();
        let _ = caller.recv(&mut [0; 4096]);
    }
    many_files(&served);
    for _ in 0..1_000 {
        drop(connect_packets(&served.socket()).unwrap());
    }
    // One that never reads how it ended.
    let deaf = soon("the crowd to have gone", || {
        Asked::start(&served.socket(), Version::Two, &Request::new("true"), &[]).ok()
    });
    assert_eq!(served.run(&["echo", "still there"]).stdout, b"still there\n");
    drop(deaf);

    let silent = connect_packets(&served.socket()).unwrap();
    silent.send(b"\x02\x01\0\0\x40\0\0\0half", &[]).unwrap();
    let began = Instant::now();
    let end = silent.recv(&mut [0; 64]);
    assert!(end.is_err() || end.unwrap().bytes == 0);
    assert!((Duration::from_secs(4)..PATIENCE).contains(&began.elapsed()), "{:?}", began.elapsed());
}

/// As many descriptors as the kernel lets ride along.
fn many_files(served: &Served) {
    use std::mem::MaybeUninit;

    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

    let caller = connect_packets(&served.socket()).unwrap();
    let null = File::open("/dev/null").unwrap();
    let files = [null.as_fd(); 253];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&files)));
    let packet = [std::io::IoSlice::new(b"\x02\x01\0\0\0\0\0\0")];
    rustix::net::sendmsg(&caller, &packet, &mut control, SendFlags::empty()).unwrap();
    let refused = caller.recv(&mut [0; 4096]).unwrap();
    assert!(refused.bytes > 8);
    let open = || fs::read_dir(format!("/proc/{}/fd", served.pid().as_raw_pid())).unwrap().count();
    soon("the server to have closed them", || (open() < 100).then_some(()));
}

#[test]
fn case_30_children_end_with_a_killed_server() {
    let mut served = Served::by("open");
    // Threads of its runtime come and go meanwhile.
    for _ in 0..20 {
        assert!(served.run(&["true"]).status.success());
    }
    let here = served.file("pid");
    let script = format!("echo $$ > {}; exec sleep 600", here.display());
    let mut caller = served.client(&["sh", "-c", &script]).stderr(Stdio::null()).spawn().unwrap();
    let pid = line_of(&here);
    served.end(Signal::KILL);
    soon("the child to end", || (!runs(&pid)).then_some(()));
    assert_eq!(caller.wait().unwrap().code(), Some(125), "the server went away");
}

#[test]
fn case_31_the_sixty_fifth_is_told_at_once_and_later_there_is_room() {
    let served = Served::by("open");
    let sleep = || {
        let mut request = Request::new("sleep");
        request.args = vec!["600".into()];
        Asked::start(&served.socket(), Version::Two, &request, &[])
    };
    let mut all: Vec<_> = (0..64).map(|_| sleep().unwrap()).collect();
    let began = Instant::now();
    let refused = sleep().unwrap_err();
    assert!(matches!(refused, Failure::Refused { class: Class::Busy, .. }), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    all.pop();
    all.push(soon("room for one more", || sleep().ok()));
}

#[test]
fn case_32_draining_lets_short_jobs_finish_and_ends_long_ones() {
    let mut served = Served::by("open");
    let short = served.client(&["sh", "-c", "sleep 1; echo done"]).stdout(Stdio::piped()).spawn().unwrap();
    let here = served.file("long");
    let script = format!("echo $$ > {}; exec sleep 60", here.display());
    let mut long = served.client(&["sh", "-c", &script]).spawn().unwrap();
    line_of(&here);
    let began = Instant::now();
    assert_eq!(served.end(Signal::TERM), Some(0));
    assert!((crate::harness::DRAIN..Duration::from_secs(8)).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!(short.wait_with_output().unwrap().stdout, b"done\n");
    assert_eq!(long.wait().unwrap().code(), Some(128 + 15));
    assert!(!served.socket().exists());
}

#[test]
fn case_33_what_was_passed_is_as_it_was() {
    let served = Served::by("open");
    let (mut read, write) = std::io::pipe().unwrap();
    let flags = |file: &dyn AsFd| rustix::fs::fcntl_getfl(file.as_fd()).unwrap();
    let before = (flags(&read), flags(&write));
    let null = File::open("/dev/null").unwrap();
    let mut request = Request::new("echo");
    request.args = vec!["hi".into()];
    request.streams = Streams::ALL;
    let mut asked =
        Asked::start(&served.socket(), Version::Two, &request, &[null.as_fd(), write.as_fd(), write.as_fd()]).unwrap();
    asked.hear().unwrap();
    assert_eq!((flags(&read), flags(&write)), before);
    drop((asked, write));
    let mut text = String::new();
    read.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hi\n");

    let mut run = served.client(&["--tty=never", "true"]);
    run.env("TERM", "dumb");
    let mut terminal = crate::harness::Terminal::running(run, 24, 80);
    let before = format!("{:?}", rustix::termios::tcgetattr(&terminal.ours).unwrap());
    assert!(terminal.child.wait().unwrap().success());
    assert_eq!(format!("{:?}", rustix::termios::tcgetattr(&terminal.ours).unwrap()), before);
}

#[test]
fn another_user_is_refused_by_a_server_without_rules() {
    if !is_root() {
        return skipped("only root can become another user");
    }
    let served = Served::by("open");
    let there = served.file("client");
    fs::copy(client(), &there).unwrap();
    let mut run = Command::new("setpriv");
    run.args(["--reuid", "12345", "--regid", "12345", "--clear-groups"]).arg(there).arg("-c").arg(served.socket());
    let output = run.arg("true").output().unwrap();
    assert_eq!(output.status.code(), Some(125), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(served.log().contains("uid 12345"));
}

#[test]
fn one_who_never_stops_talking_has_no_more_time_than_others() {
    let served = Served::by("brief");
    let mut request = Request::new("sleep");
    request.args = vec!["600".into()];
    let asked = Asked::start_within(&served.socket(), Version::Two, &request, &[], PATIENCE).unwrap();
    let (packets, mut talk) = asked.into_parts();
    let packets = Arc::new(packets);
    // A signal that does nothing, as often as the server takes it.
    let window = talk.signal(packet::Signal { number: 28, only_it: true });
    for _ in 0..2 {
        let (packets, window) = (packets.clone(), window.clone());
        std::thread::spawn(move || while packets.send(&window, &[]).is_ok() {});
    }
    let mut room = [0; 1024];
    let ended = soon("the end of its time", || match packets.recv(&mut room) {
        Ok(received) => match talk.read(&room[..received.bytes]).unwrap() {
            Tell::Exited(ended) => Some(ended),
            _ => None,
        },
        // It closes with much of ours unread; what it had said comes after that news.
        Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => None,
        Err(e) => panic!("{e}"),
    });
    assert_eq!(ended.how, How::TimedOut);
}
