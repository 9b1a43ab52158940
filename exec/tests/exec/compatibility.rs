//! Cases 34 to 37: Sidecar 1.2.0, whose program is not to be had where these tests run, so that the
//! packets captured of it stand in for it; and programs that take others' places.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use hotfn_socket::{Claim, Owner, PacketListener, Packets, claim, connect_packets};
use rustix::process::Signal;

use crate::harness::{Served, client, line_of, soon};

/// What Sidecar's client sends for `sh -c SCRIPT`.
fn v1_request(script: &str) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let mut body = [text("/bin/sh"), 2_u64.to_le_bytes().to_vec(), text("-c"), text(script), text("")].concat();
    body.extend(0_u64.to_le_bytes());
    for number in [0_i32, 7, 0, -1, -1, 9, 9] {
        body.extend(number.to_le_bytes());
    }
    body
}

/// Asks as Sidecar's client does; gives the connection and what the server answered.
fn v1_ask(served: &Served, script: &str, files: &[std::os::fd::BorrowedFd<'_>]) -> (Packets, Vec<u8>) {
    let caller = connect_packets(&served.socket()).unwrap();
    let body = v1_request(script);
    caller.send(&[&1_u32.to_le_bytes()[..], &(body.len() as u64).to_le_bytes()].concat(), &[]).unwrap();
    caller.send(&body, files).unwrap();
    let answer = v1_hear(&caller);
    (caller, answer)
}

fn v1_hear(caller: &Packets) -> Vec<u8> {
    let mut room = [0; 4096];
    let received = caller.recv(&mut room).unwrap();
    room[..received.bytes].to_vec()
}

#[test]
fn case_34_sidecars_client_is_served_byte_for_byte() {
    let mut served = Served::by("open");
    let null = File::open("/dev/null").unwrap();
    let null = null.as_fd();
    let (mut read, write) = std::io::pipe().unwrap();
    let (caller, answer) = v1_ask(&served, "echo hi", &[null, write.as_fd(), null]);
    drop(write);
    assert_eq!(answer[..13], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(answer.len(), 17);
    assert_eq!(v1_hear(&caller), [1, 0, 0, 0, 0, 0, 0, 0]);
    let mut text = String::new();
    read.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hi\n");

    let (caller, _) = v1_ask(&served, "exit 7", &[null; 3]);
    assert_eq!(v1_hear(&caller), [1, 0, 0, 0, 7, 0, 0, 0]);
    let (caller, _) = v1_ask(&served, "kill -9 $$", &[null; 3]);
    assert_eq!(v1_hear(&caller), [2, 0, 0, 0, 9, 0, 0, 0]);
    for (signal, sent) in [(Signal::TERM, 15_i32), (Signal::HUP, -1)] {
        let ready = served.file(&format!("ready{sent}"));
        let script =
            format!("trap 'exit 5' {}; echo > {}; while :; do sleep 0.01; done", signal.as_raw(), ready.display());
        let (caller, _) = v1_ask(&served, &script, &[null; 3]);
        soon("the trap to be set", || ready.exists().then_some(()));
        caller.send(&sent.to_le_bytes(), &[]).unwrap();
        assert_eq!(v1_hear(&caller), [1, 0, 0, 0, 5, 0, 0, 0]);
    }
    // W8 of the old server: a request without files brought it and every job down.
    let (_, answer) = v1_ask(&served, "true", &[]);
    assert_eq!(answer[0], 0);

    connect_packets(&served.socket()).unwrap().send(&0_u32.to_le_bytes(), &[]).unwrap();
    soon("the server to end", || (!served.socket().exists()).then_some(()));
    let _ended_by_itself = served.end(Signal::TERM);
}

/// What Sidecar's own client sends for `exec -c SOCK --workdir /tmp -- /bin/true a bb`.
fn captured() -> Vec<u8> {
    const HEX: &str = "09000000000000002f62696e2f74727565020000000000000001000000000000006102000000000000006262\
        04000000000000002f746d7000000000000000000000000007000000 00000000ffffffffffffffff0900000009000000";
    let digits: Vec<u8> = HEX.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// What Sidecar's own flags ask of our server: a program that dies of another signal than KILL when
/// the server dies, and one that has no terminal to open.
#[test]
fn case_34_what_only_version_1_can_ask_for_is_done() {
    let mut served = Served::by("open");
    let (ready, heard) = (served.file("ready"), served.file("heard"));
    let script = format!(
        "trap 'echo term > {}; exit' TERM; (: < /dev/tty) 2>/dev/null && exit 9; echo > {}; while :; do sleep 0.01; done",
        heard.display(),
        ready.display()
    );
    let mut client = served.client(&["--wire", "1", "--notty", "--deathsig", "TERM", "--", "/bin/sh", "-c", &script]);
    let mut client = client.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    line_of(&ready);
    served.end(Signal::KILL);
    assert_eq!(line_of(&heard), "term");
    assert_eq!(client.wait().unwrap().code(), Some(125), "the server went away");
}

/// A server that has recorded what Sidecar's client sends, and answers what its server did.
#[test]
fn case_35_with_wire_1_our_client_speaks_as_sidecars_to_a_server_of_its_kind() {
    let dir = tempfile::tempdir().unwrap();
    let listening: Claim<PacketListener> = claim(&dir.path().join("s"), 0o600, Owner::default()).unwrap();
    let run = Command::new(client())
        .args(["--wire", "1", "-c"])
        .arg(listening.path())
        .args(["--workdir", "/tmp", "--", "/bin/true", "a", "bb"])
        .spawn();
    let accepted = soon("the client", || rustix::net::accept(listening.listener()).ok());
    let server = Packets::from(accepted);
    assert_eq!(v1_hear(&server), [1, 0, 0, 0, 0x5c, 0, 0, 0, 0, 0, 0, 0]);
    let mut room = [0; 4096];
    let request = server.recv(&mut room).unwrap();
    assert_eq!((request.bytes, request.files.len()), (92, 3));
    assert_eq!(room[..92], captured());
    server.send(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x1b, 0, 0], &[]).unwrap();
    server.send(&[2, 0, 0, 0, 15, 0, 0, 0], &[]).unwrap();
    assert_eq!(run.unwrap().wait().unwrap().code(), Some(128 + 15));
}

#[test]
fn case_36_the_shim_of_sidecars_readme_works_with_another_name() {
    let served = Served::by("open");
    let shim = served.file("pwd");
    let script = format!(
        "#!/bin/sh\nexec {} exec --connect {} --workdir \"$(pwd)\" -- \"$(basename \"$0\")\" \"$@\"\n",
        client().display(),
        served.socket().display()
    );
    fs::write(&shim, script).unwrap();
    fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(&shim).arg("-P").current_dir("/usr").output().unwrap();
    assert_eq!(output.stdout, b"/usr\n", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn case_37_a_link_runs_its_namesake_there_and_one_that_finds_itself_is_stopped() {
    let served = Served::by("open");
    let shims = served.file("shims");
    // The second folder is in the server's own search path.
    for dir in [&shims, &served.file("bin")] {
        let name = if *dir == shims { "pwd" } else { "loop" };
        let installed = Command::new(client()).arg("--install-shim").arg(dir).arg(name).status().unwrap();
        assert!(installed.success());
    }
    let call =
        |path: &Path| Command::new(path).env("HOTFN_EXEC", served.socket()).current_dir("/usr").output().unwrap();
    assert_eq!(call(&shims.join("pwd")).stdout, b"/usr\n");

    // Without the environment's word, the file beside the link says where.
    for dir in [&shims, &served.file("bin")] {
        fs::write(dir.join("hotfn-exec.conf"), format!("{}\n", served.socket().display())).unwrap();
    }
    let output = Command::new(shims.join("pwd")).env_remove("HOTFN_EXEC").current_dir("/").output().unwrap();
    assert_eq!(output.stdout, b"/\n");

    // On the other side, too, `loop` is the link.
    let output = call(&served.file("bin/loop"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(said.contains("leads back to itself"), "{said}");
}
