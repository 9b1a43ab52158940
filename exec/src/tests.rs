//! The room at its edge: jobs in, ends out. The programs are `sh` and what every system has.

use std::ffi::OsString;
use std::fs::File;
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Resource, Signal};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use crate::process::Stat;
use crate::{Exit, Job, SpawnError, Spawned, Stdio, Supervisor};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn shell(script: &str) -> Job {
    let mut job = Job::new("/bin/sh");
    job.args = vec!["-c".into(), script.into()];
    job.env = vec![("PATH".into(), std::env::var_os("PATH").unwrap())];
    job.stdout = Stdio::Pipe;
    job
}

async fn spawn(job: Job) -> Spawned {
    Supervisor::start().unwrap().spawn(job).await.unwrap()
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("in good time")
}

fn reader(spawned: &mut Spawned) -> pipe::Receiver {
    pipe::Receiver::from_owned_fd(spawned.stdout.take().unwrap()).unwrap()
}

/// All that the job prints.
async fn output(job: Job) -> String {
    let mut spawned = spawn(job).await;
    let mut text = String::new();
    soon(reader(&mut spawned).read_to_string(&mut text)).await.unwrap();
    text
}

/// The first line that the child prints; it is ready then.
async fn line(from: &mut pipe::Receiver) -> String {
    let mut line = Vec::new();
    loop {
        match soon(from.read_u8()).await.unwrap() {
            b'\n' => return String::from_utf8(line).unwrap(),
            byte => line.push(byte),
        }
    }
}

fn runs(pid: &str) -> bool {
    Stat::read(Pid::from_raw(pid.parse().unwrap()).unwrap()).is_some_and(|stat| !stat.has_ended())
}

/// Waits until `pid` runs no more. There is no event for somebody else's child.
async fn gone(pid: &str) {
    soon(async {
        while runs(pid) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_job_has_its_arguments_environment_and_directory_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut job = Job::new("/usr/bin/env");
    job.stdout = Stdio::Pipe;
    job.env = vec![("A".into(), "1".into()), ("B".into(), "x\ny".into()), ("A".into(), "2".into())];
    assert_eq!(output(job).await, "A=2\nB=x\ny\n");

    let mut job = shell("pwd; echo \"$1\"");
    job.args.extend(["sh", "a b"].map(OsString::from));
    job.cwd = Some(dir.path().to_owned());
    assert_eq!(output(job).await, format!("{}\na b\n", dir.path().display()));
}

#[tokio::test]
async fn everybody_learns_how_it_ended_also_late() {
    for (script, expected) in [("exit 0", Exit::Code(0)), ("exit 7", Exit::Code(7)), ("kill -9 $$", Exit::Signal(9))] {
        let child = spawn(shell(script)).await.child;
        let (first, second) = tokio::join!(soon(child.exit()), soon(child.exit()));
        assert_eq!((first, second), (expected, expected), "{script}");
        assert_eq!(child.ended(), Some(expected));
        let late = child.exit();
        drop(child);
        assert_eq!(soon(late).await, expected);
    }
}

#[tokio::test]
async fn it_starts_in_a_session_of_its_own_without_privileges_or_inherited_signals() {
    let mut spawned =
        spawn(shell("grep -E '^(NoNewPrivs|SigBlk|SigIgn)' /proc/self/status; echo; exec sleep 600")).await;
    let stdout = &mut reader(&mut spawned);
    let status = [line(stdout).await, line(stdout).await, line(stdout).await];
    assert!(status.contains(&"NoNewPrivs:\t1".to_owned()), "{status:?}");
    assert!(status.contains(&"SigBlk:\t0000000000000000".to_owned()), "{status:?}");
    assert!(status.contains(&"SigIgn:\t0000000000000000".to_owned()), "{status:?}");
    let pid = Pid::from_raw(spawned.child.pid().cast_signed()).unwrap();
    assert_eq!(rustix::process::getsid(Some(pid)), Ok(pid));
    assert_eq!(rustix::process::getpgid(Some(pid)), Ok(pid));
    soon(spawned.child.end(Duration::ZERO)).await;
}

#[tokio::test]
async fn limits_hold_and_one_above_ours_is_lowered_to_ours() {
    let mut job = shell("ulimit -Hn; ulimit -Sn; ulimit -Hc");
    job.rlimits = vec![(Resource::Nofile, 35), (Resource::Core, 0)];
    assert_eq!(output(job).await, "35\n35\n0\n");

    let ours = rustix::process::getrlimit(Resource::Nofile).maximum.unwrap();
    let mut job = shell("ulimit -Hn");
    job.rlimits = vec![(Resource::Nofile, ours + 1)];
    assert_eq!(output(job).await, format!("{ours}\n"));
}

#[tokio::test]
async fn no_descriptor_of_ours_is_inherited() {
    // One that a careless library did not mark.
    let careless = rustix::io::dup(File::open("/dev/null").unwrap()).unwrap();
    rustix::io::fcntl_setfd(&careless, rustix::io::FdFlags::empty()).unwrap();
    let text = output(shell("for fd in /proc/$$/fd/*; do echo ${fd##*/}; done")).await;
    let above: Vec<u32> = text.lines().map(|fd| fd.parse().unwrap()).filter(|fd| *fd > 2).collect();
    // A shell may keep its script or a copy of a stream at 10 or above, and lists the folder it reads.
    assert!(above.iter().all(|fd| *fd == 3 || *fd == 10), "{above:?}");
    drop(careless);
}

#[tokio::test]
async fn what_the_leader_leaves_in_its_group_is_killed() {
    let mut spawned = spawn(shell("sleep 600 >/dev/null & echo $!")).await;
    let stray = line(&mut reader(&mut spawned)).await;
    assert_eq!(soon(spawned.child.exit()).await, Exit::Code(0));
    soon(spawned.child.end(Duration::ZERO)).await;
    assert!(!runs(&stray));
}

#[tokio::test]
async fn ending_asks_first_and_then_insists() {
    let polite = shell("trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done");
    let mut spawned = spawn(polite).await;
    line(&mut reader(&mut spawned)).await;
    soon(spawned.child.end(PATIENCE)).await;
    assert_eq!(spawned.child.ended(), Some(Exit::Code(3)));

    let deaf = shell("trap '' TERM; echo $$; while :; do sleep 0.01; done");
    let mut spawned = spawn(deaf).await;
    let pid = line(&mut reader(&mut spawned)).await;
    soon(spawned.child.end(Duration::from_millis(20))).await;
    assert_eq!(spawned.child.ended(), Some(Exit::Signal(Signal::KILL.as_raw())));
    assert!(!runs(&pid));
}

#[tokio::test]
async fn a_stopped_one_hears_that_it_should_end() {
    let mut spawned = spawn(shell("trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done")).await;
    line(&mut reader(&mut spawned)).await;
    spawned.child.signal_group(Signal::STOP);
    soon(spawned.child.end(PATIENCE)).await;
    assert_eq!(spawned.child.ended(), Some(Exit::Code(3)));
}

#[tokio::test]
async fn a_child_that_nobody_holds_is_killed() {
    let mut spawned = spawn(shell("echo $$; exec sleep 600")).await;
    let pid = line(&mut reader(&mut spawned)).await;
    let copy = spawned.child.clone();
    drop(spawned);
    assert!(runs(&pid));
    drop(copy);
    gone(&pid).await;
}

#[tokio::test]
async fn a_job_may_live_on_when_nobody_holds_its_child() {
    let mut job = shell("echo $$; exec sleep 600");
    job.outlives_us = true;
    let mut spawned = spawn(job).await;
    let pid = line(&mut reader(&mut spawned)).await;
    drop(spawned);
    // Orders and deaths are handled one after another: when a later one is done, a death was seen.
    line(&mut reader(&mut spawn(shell("echo ready")).await)).await;
    assert!(runs(&pid));
    rustix::process::kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
    gone(&pid).await;
}

#[tokio::test]
async fn a_child_that_nobody_waits_for_any_more_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut job = shell("echo $$ > pid.new; mv pid.new pid; exec sleep 600");
    job.cwd = Some(dir.path().to_owned());
    let supervisor = Supervisor::start().unwrap();
    {
        let mut spawning = std::pin::pin!(supervisor.spawn(job));
        // It may be answered at once, and is then as little wanted.
        let _ = futures_now(spawning.as_mut()).await;
    }
    // Orders are handled one after another: when a later one is done, so is the one we left.
    let mut later = spawn(shell("echo ready")).await;
    line(&mut reader(&mut later)).await;
    if let Ok(pid) = std::fs::read_to_string(dir.path().join("pid")) {
        gone(pid.trim()).await;
    }
}

/// Polls once.
async fn futures_now<T>(mut what: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match what.as_mut().poll(cx) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn what_cannot_start_says_why_and_names_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let supervisor = Supervisor::start().unwrap();
    let refused = async |job: Job| supervisor.spawn(job).await.unwrap_err();

    let e = refused(Job::new(dir.path().join("gone"))).await;
    assert!(matches!(e, SpawnError::NotFound { .. }) && e.to_string().contains("gone"), "{e}");

    let e = refused(Job::new(file("plain", "text"))).await;
    assert!(e.to_string().contains("plain\": it may not be executed"), "{e}");

    let headless = file("headless", "echo hi\n");
    std::fs::set_permissions(&headless, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let e = refused(Job::new(headless)).await;
    assert!(e.to_string().contains("nor a script that begins with #!"), "{e}");

    let mut nul = Job::new("/bin/sh");
    nul.args = vec!["a\0b".into()];
    let e = refused(nul).await;
    assert!(e.to_string().contains("/bin/sh") && e.to_string().contains("NUL"), "{e}");

    let e = refused(Job::new(dir.path())).await;
    assert!(e.to_string().contains("it is a directory"), "{e}");

    let script = file("script", "#!/no/such/interpreter\n");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let e = refused(Job::new(script)).await;
    assert!(e.to_string().contains("interpreter"), "{e}");

    for cwd in [dir.path().join("nowhere"), file("a-file", "")] {
        let mut job = Job::new("/bin/sh");
        job.cwd = Some(cwd.clone());
        let e = refused(job).await;
        assert!(matches!(e, SpawnError::Cwd { .. }), "{e}");
        assert!(e.to_string().contains(&format!("{cwd:?}")) && e.to_string().contains("/bin/sh"), "{e}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_start_and_end_at_once() {
    let all: Vec<_> = (0..200)
        .map(|code| {
            tokio::spawn(async move {
                let mut job = shell(&format!("exit {}", code % 100));
                job.stdout = Stdio::Null;
                (code % 100, soon(spawn(job).await.child.exit()).await)
            })
        })
        .collect();
    for one in all {
        let (code, exit) = one.await.unwrap();
        assert_eq!(exit, Exit::Code(code));
    }
}

/// Not a test of its own, but what the next one runs in a process that it can kill.
#[tokio::test]
async fn helper_that_holds_a_child() {
    if std::env::var_os("HOTFN_EXEC_HELPER").is_none() {
        return;
    }
    let mut spawned = spawn(shell("echo $$; exec sleep 600")).await;
    println!("child {}", line(&mut reader(&mut spawned)).await);
    soon(spawned.child.exit()).await;
}

#[tokio::test]
async fn a_child_dies_with_us_when_we_are_killed() {
    let mut helper = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::helper_that_holds_a_child", "--nocapture"])
        .env("HOTFN_EXEC_HELPER", "1")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid = BufReader::new(helper.stdout.take().unwrap())
        .lines()
        .find_map(|line| Some(line.unwrap().split_once("child ")?.1.to_owned()))
        .unwrap();
    assert!(runs(&pid) && Path::new("/proc").join(&pid).exists());
    helper.kill().unwrap();
    helper.wait().unwrap();
    gone(&pid).await;
}
