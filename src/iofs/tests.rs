//! The table of the contract's section 1.6, row by row with real files and sockets; and what becomes
//! of directories.

use std::ffi::CString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::watch::Watch;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn root() -> (TempDir, Root) {
    let dir = tempfile::tempdir().unwrap();
    let root = Root::open(dir.path()).unwrap();
    (dir, root)
}

/// A listener that stays for the whole test.
fn bind(path: &Path) {
    std::mem::forget(UnixListener::bind(path).unwrap());
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("in good time")
}

/// What the agent says of a directory in which the container has done `deed`, both when it looks
/// after the deed and when the deed wakes it. Then it dials, if it would.
async fn check(deed: impl Fn(&Path), expected: &str) {
    let (_dir, root) = root();
    let watch = Watch::new().unwrap();
    for awaited in [true, false] {
        let iofs = root.container("c").unwrap();
        let armed = watch.arm(&iofs).unwrap();
        let mut outcome = std::pin::pin!(armed.socket(&iofs));
        if awaited {
            let waiting = tokio::time::timeout(Duration::ZERO, outcome.as_mut()).await;
            assert!(waiting.is_err(), "nothing is there yet");
        }
        deed(iofs.path());
        let said = match tokio::time::timeout(PATIENCE, outcome).await.expect("the deed is noticed") {
            Ok(()) => iofs.dial().dial().await.map_or_else(|e| format!("not dialled: {e}"), |_| "served".to_owned()),
            Err(invalid) => invalid.to_string(),
        };
        assert_eq!(said, expected, "awaited: {awaited}");
    }
}

#[tokio::test]
async fn hidden_socket_chmod_relative_link() {
    check(|dir| std::mem::forget(hotfn_socket::announce(&dir.join(LISTENER)).unwrap()), "served").await;
}

#[tokio::test]
async fn bound_directly_with_and_without_chmod() {
    check(|dir| bind(&dir.join(LISTENER)), "served").await;
    check(
        |dir| {
            bind(&dir.join(LISTENER));
            fs::set_permissions(dir.join(LISTENER), fs::Permissions::from_mode(0o666)).unwrap();
        },
        "served",
    )
    .await;
}

#[tokio::test]
async fn bound_hidden_then_renamed_or_hard_linked() {
    check(
        |dir| {
            bind(&dir.join("hidden"));
            fs::rename(dir.join("hidden"), dir.join(LISTENER)).unwrap();
        },
        "served",
    )
    .await;
    check(
        |dir| {
            bind(&dir.join("hidden"));
            fs::hard_link(dir.join("hidden"), dir.join(LISTENER)).unwrap();
        },
        "served",
    )
    .await;
}

#[tokio::test]
async fn link_with_a_dot_and_a_chain_of_relative_links() {
    check(
        |dir| {
            bind(&dir.join("hidden"));
            symlink("./hidden", dir.join(LISTENER)).unwrap();
        },
        "served",
    )
    .await;
    check(
        |dir| {
            bind(&dir.join("hidden"));
            symlink("hidden", dir.join("hop")).unwrap();
            symlink("hop", dir.join(LISTENER)).unwrap();
        },
        "served",
    )
    .await;
}

#[tokio::test]
async fn link_before_bind_counts_as_it_is_when_it_is_seen() {
    let (_dir, root) = root();
    let iofs = root.container("c").unwrap();
    symlink("hidden", iofs.path().join(LISTENER)).unwrap();
    assert!(matches!(iofs.look(), Look::Invalid(_)));
    bind(&iofs.path().join("hidden"));
    assert!(matches!(iofs.look(), Look::Ready));
}

#[tokio::test]
async fn an_absolute_link_is_refused_even_to_the_right_place() {
    let (_dir, root) = root();
    let iofs = root.container("c").unwrap();
    let right = iofs.path().join("hidden");
    bind(&right);
    symlink(&right, iofs.path().join(LISTENER)).unwrap();
    let Look::Invalid(invalid) = iofs.look() else { panic!("refused") };
    assert_eq!(invalid.to_string(), format!("lsnr.sock links to {}, outside its directory", right.display()));
}

#[tokio::test]
async fn a_link_with_a_folder_or_to_above_is_refused() {
    check(
        |dir| {
            fs::create_dir(dir.join("sub")).unwrap();
            bind(&dir.join("sub/hidden"));
            symlink("sub/hidden", dir.join(LISTENER)).unwrap();
        },
        "lsnr.sock links to sub/hidden, outside its directory",
    )
    .await;
    check(|dir| symlink("../x", dir.join(LISTENER)).unwrap(), "lsnr.sock links to ../x, outside its directory").await;
}

#[tokio::test]
async fn a_second_hop_that_leaves_is_refused_and_nobody_is_contacted() {
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = elsewhere.path().join("foreign.sock");
    let listener = UnixListener::bind(&foreign).unwrap();
    listener.set_nonblocking(true).unwrap();
    for target in [foreign.to_str().unwrap(), "../../foreign.sock"] {
        check(
            |dir| {
                symlink(target, dir.join("hop")).unwrap();
                symlink("hop", dir.join(LISTENER)).unwrap();
            },
            &format!("hop links to {target}, outside its directory"),
        )
        .await;
    }

    // Nor by one who turns bad between the look and the call.
    let (_dir, root) = root();
    let iofs = root.container("c").unwrap();
    let name = iofs.path().join(LISTENER);
    bind(&name);
    assert!(matches!(iofs.look(), Look::Ready));
    fs::remove_file(&name).unwrap();
    symlink(&foreign, &name).unwrap();
    let e = iofs.dial().dial().await.unwrap_err();
    assert!(e.to_string().contains("outside its directory"), "{e}");

    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn the_first_connection_is_made_to_what_was_found() {
    for (forgotten, reached) in [(false, "found"), (true, "another")] {
        let (_dir, root) = root();
        let iofs = root.container("c").unwrap();
        let name = iofs.path().join(LISTENER);
        let found = UnixListener::bind(&name).unwrap();
        soon(Watch::new().unwrap().arm(&iofs).unwrap().socket(&iofs)).await.unwrap();
        fs::remove_file(&name).unwrap();
        let another = UnixListener::bind(&name).unwrap();
        if forgotten {
            iofs.forget();
        }
        let _stream = iofs.dial().dial().await.unwrap();
        let listeners = [("found", &found), ("another", &another)];
        for (of, listener) in listeners {
            listener.set_nonblocking(true).unwrap();
            assert_eq!(listener.accept().is_ok(), of == reached, "{of}, forgotten: {forgotten}");
        }
    }
}

#[tokio::test]
async fn when_what_was_found_refuses_another_is_looked_for() {
    let (_dir, root) = root();
    let iofs = root.container("c").unwrap();
    let name = iofs.path().join(LISTENER);
    let found = UnixListener::bind(&name).unwrap();
    soon(Watch::new().unwrap().arm(&iofs).unwrap().socket(&iofs)).await.unwrap();
    drop(found);
    fs::remove_file(&name).unwrap();
    bind(&name);
    iofs.dial().dial().await.unwrap();
}

#[tokio::test]
async fn another_name_than_the_sockets_wakes_nobody() {
    let ((_dir, root), watch) = (root(), Watch::new().unwrap());
    let containers = ["one", "other"].map(|id| root.container(id).unwrap());
    let [one, other] = containers.each_ref().map(|iofs| watch.arm(iofs).unwrap());
    bind(&containers[0].path().join("phonylsnr.sock"));
    bind(&containers[1].path().join(LISTENER));
    // Behind the one's event.
    soon(other.changed()).await;
    assert!(tokio::time::timeout(Duration::ZERO, one.changed()).await.is_err());
    symlink("phonylsnr.sock", containers[0].path().join(LISTENER)).unwrap();
    soon(one.changed()).await;
}

#[tokio::test]
async fn what_is_no_socket_is_refused() {
    let here = |dir: &Path| dir.join(LISTENER);
    check(|dir| symlink("gone", here(dir)).unwrap(), "lsnr.sock links to gone, which is not there").await;
    check(|dir| fs::write(here(dir), "").unwrap(), "lsnr.sock is a regular file, not a socket").await;
    check(|dir| fs::create_dir(here(dir)).unwrap(), "lsnr.sock is a directory, not a socket").await;
    let fifo = |dir: &Path| {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let path = CString::new(here(dir).as_os_str().as_bytes()).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    check(fifo, "lsnr.sock is a pipe, not a socket").await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_waited_for_until_the_start_timeout_whatever_else_appears() {
    let (_dir, root) = root();
    let iofs = root.container("c").unwrap();
    let armed = Watch::new().unwrap().arm(&iofs).unwrap();
    for name in ["phonylsnr.sock", "lsnr.sock.tmp", "other"] {
        bind(&iofs.path().join(name));
    }
    assert!(tokio::time::timeout(Duration::from_secs(5), armed.socket(&iofs)).await.is_err());
}

#[tokio::test]
async fn a_function_that_binds_before_it_listens_is_waited_for() {
    let (_dir, root) = root();
    let iofs = root.container("c").unwrap();
    let socket = rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &rustix::net::SocketAddrUnix::new(iofs.path().join(LISTENER)).unwrap()).unwrap();
    assert!(matches!(iofs.look(), Look::Ready));

    let dial = iofs.dial();
    let (stream, ()) = tokio::join!(dial.dial(), async {
        tokio::task::yield_now().await;
        rustix::net::listen(&socket, 1).unwrap();
    });
    stream.unwrap();
}

#[tokio::test]
async fn a_connection_reads_what_is_there_without_waiting() {
    let (_dir, root) = root();
    let iofs = root.container("c").unwrap();
    let listener = UnixListener::bind(iofs.path().join(LISTENER)).unwrap();
    let mut stream = iofs.dial().dial().await.unwrap();
    let (mut peer, _) = listener.accept().unwrap();

    let mut buf = [0; 8];
    assert_eq!(stream.read_now(&mut buf).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    io::Write::write_all(&mut peer, b"hi").unwrap();
    assert_eq!(stream.read_now(&mut buf).unwrap(), 2);
    stream.write_all(b"you").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut text = String::new();
    peer.read_to_string(&mut text).unwrap();
    assert_eq!(text, "you");
    drop(peer);
    assert_eq!(stream.read_now(&mut buf).unwrap(), 0);
}

#[tokio::test]
async fn directories_are_ours_alone_unless_asked_otherwise_and_go_when_closed_or_dropped() {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (dir, root) = root();
    let closed = root.container("closed").unwrap();
    assert_eq!((mode(root.path()), mode(closed.path())), (0o700, 0o700));
    fs::create_dir_all(closed.path().join("a/b")).unwrap();
    closed.close().await;
    assert!(!closed.path().exists());
    drop(closed);

    let root = root.access(Access::Everyone);
    let dropped = root.container("dropped").unwrap();
    let path = dropped.path().to_owned();
    assert_eq!(mode(&path), 0o777);
    drop(root);
    assert!(path.exists(), "a container outlives the handle of its root");
    drop(dropped);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn the_usual_root_is_where_we_were_told_or_in_memory() {
    let usual = Root::usual();
    let told = std::env::var_os("TMPDIR").is_some();
    assert_eq!(usual == Path::new(MEMORY), !told && Path::new(MEMORY).exists(), "{}", usual.display());
    drop(Root::open(&usual).unwrap());
}

#[tokio::test]
async fn under_a_root_as_deep_as_can_be_names_are_short_and_the_function_is_served() {
    let parent = tempfile::tempdir().unwrap();
    let deep = parent.path().join("d".repeat(200)).join("e".repeat(200));
    let root = Root::open(&deep).unwrap();
    let iofs = root.container("c").unwrap();
    let listener = iofs.listener();
    let path = Path::new(listener.strip_prefix("unix:").unwrap());
    assert!(path.as_os_str().len() + ".private".len() <= 107, "{listener}");

    // As others' FDKs do it, who know no way around the length of an address.
    bind(&path.with_file_name("phonylsnr.sock"));
    symlink("phonylsnr.sock", path).unwrap();
    assert!(matches!(iofs.look(), Look::Ready));
    iofs.dial().dial().await.unwrap();

    let alias = path.parent().unwrap().parent().unwrap().to_owned();
    assert!(fs::symlink_metadata(&alias).unwrap().is_symlink());
    drop((iofs, root));
    assert!(fs::symlink_metadata(&alias).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_directories_are_watched_by_one_inotify_instance() {
    let (_dir, root) = root();
    let watch = Watch::new().unwrap();
    let containers: Vec<_> = (0..500)
        .map(|_| {
            let iofs = root.container("c").unwrap();
            let armed = watch.arm(&iofs).unwrap();
            (iofs, armed)
        })
        .collect();
    let instances = fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter(|fd| fs::read_link(fd.as_ref().unwrap().path()).is_ok_and(|to| to == Path::new("anon_inode:inotify")))
        .count();
    assert_eq!(instances, 1);

    let paths: Vec<_> = containers.iter().map(|(iofs, _)| iofs.path().to_owned()).collect();
    let all: Vec<_> = containers
        .into_iter()
        .map(|(iofs, armed)| {
            tokio::spawn(async move {
                tokio::time::timeout(PATIENCE, armed.socket(&iofs)).await.unwrap().unwrap();
                // Kept until the function is done with it: the name appears before it knows.
                iofs
            })
        })
        .collect();
    for path in paths {
        std::mem::forget(hotfn_socket::announce(&path.join(LISTENER)).unwrap());
    }
    for one in all {
        drop(one.await.unwrap());
    }
}

#[test]
fn a_living_neighbour_is_left_alone() {
    let (dir, first) = root();
    let theirs = first.container("c").unwrap();
    let second = Root::open(dir.path()).unwrap();
    assert!(theirs.path().exists() && first.path() != second.path());
    drop(second);
    assert!(theirs.path().exists());
}

#[test]
fn what_is_not_an_agents_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("mine")).unwrap();
    fs::write(dir.path().join("hotfn-file"), "mine").unwrap();
    symlink("mine", dir.path().join("hotfn-link")).unwrap();
    // Of a name like ours, even to the letter: only an owner file makes it an agent's.
    for name in ["hotfn-precious", "hotfn-keepsake"] {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("x"), "mine").unwrap();
    }
    drop(Root::open(dir.path()).unwrap());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5);
    assert_eq!(fs::read(dir.path().join("hotfn-keepsake/x")).unwrap(), b"mine");
}

/// Not a test of its own, but the agent that the next one kills: it makes a directory, starts what
/// would outlive it, and waits.
#[test]
fn helper_that_holds_a_root() {
    let Some(dir) = std::env::var_os("HOTFN_IOFS_HELPER") else { return };
    let root = Root::open(Path::new(&dir)).unwrap();
    let iofs = root.container("c").unwrap();
    fs::create_dir_all(iofs.path().join("a/b")).unwrap();
    std::mem::forget(hotfn_socket::announce(&iofs.path().join(LISTENER)).unwrap());
    // Said before the stray can say anything: who reads this takes the lines in order.
    println!("listener {}", iofs.listener());
    let mut stray = Command::new("setsid")
        .args(["sh", "-c", "sleep 600 & echo stray $$ $!; wait"])
        .env(LABEL, iofs.path())
        .spawn()
        .unwrap();
    stray.wait().unwrap();
}

#[test]
fn what_an_agent_killed_left_is_gone_when_the_next_one_starts() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("d".repeat(150));
    let mut agent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "iofs::tests::helper_that_holds_a_root", "--nocapture"])
        .env("HOTFN_IOFS_HELPER", &deep)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(agent.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut said = |what: &str| lines.find_map(|line| Some(line.split_once(what)?.1.to_owned())).unwrap();
    let listener = said("listener unix:");
    let strays = said("stray ");
    let alias = Path::new(&listener).ancestors().nth(2).unwrap();
    assert!(Path::new(&listener).exists());
    agent.kill().unwrap();
    agent.wait().unwrap();

    let root = Root::open(&deep).unwrap();
    assert_eq!(fs::read_dir(&deep).unwrap().count(), 1, "only the new agent's is there");
    assert!(fs::symlink_metadata(alias).is_err(), "the short name is gone too");
    for pid in strays.split_whitespace() {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }
    drop(root);
}
