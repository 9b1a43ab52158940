//! The driver at its edge: specs in, ends out. The functions are shell scripts.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hotfn_protocols::{Ends, Exit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::*;
use crate::container::Stdio;
use crate::container::{Heard, LINE_BYTES_MAX};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lines of log as they come.
type Lines = mpsc::UnboundedReceiver<(Stdio, String)>;

fn spec(image: &str) -> Spec {
    Spec {
        // Its label, by which processes of others would be found too.
        id: ulid::Ulid::generate().to_string(),
        node: "test".to_owned(),
        function: "test".to_owned(),
        image: image.to_owned(),
        dir: None,
        env: vec![("PATH".to_owned(), std::env::var("PATH").unwrap())],
        iofs: None,
        pipes: false,
        memory_mb: 128,
        cpu_milli: 0,
        connections_max: 1,
    }
}

fn script(text: &str) -> Spec {
    spec(&format!("process:sh -c '{}'", text.replace('\'', r"'\''")))
}

fn log() -> (LogLine, Lines) {
    let (tell, lines) = mpsc::unbounded_channel();
    let log: LogLine = Arc::new(move |stdio, line: &[u8]| {
        let _ = tell.send((stdio, String::from_utf8_lossy(line).into_owned()));
        Heard::Kept
    });
    (log, lines)
}

async fn run(spec: Spec, log: LogLine) -> Result<Box<dyn Container>, DriverError> {
    ProcessDriver::new().unwrap().create(spec).await?.start(log).await
}

async fn start(spec: Spec) -> (Box<dyn Container>, Lines) {
    let (log, lines) = log();
    (run(spec, log).await.unwrap(), lines)
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("in good time")
}

async fn line(lines: &mut Lines) -> (Stdio, String) {
    soon(lines.recv()).await.expect("another line")
}

async fn refusal(spec: Spec) -> DriverError {
    run(spec, log().0).await.unwrap_err()
}

fn state(pid: &str) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.split_whitespace().next()?.to_owned())
}

fn runs(pid: &str) -> bool {
    state(pid).is_some_and(|state| state != "Z" && state != "X")
}

#[tokio::test]
async fn it_has_its_environment_its_directory_and_its_limits() {
    let dir = tempfile::tempdir().unwrap();
    let text = "pwd; echo $A; ulimit -n; ulimit -c; ulimit -l; echo $HOTFN_CONTAINER; read x || echo no input";
    let mut spec = script(text);
    let id = spec.id.clone();
    spec.dir = Some(dir.path().to_owned());
    spec.env.extend([("A".to_owned(), "1".to_owned()), (LABEL.to_owned(), "not theirs to say".to_owned())]);
    spec.env.push(("A".to_owned(), "2".to_owned()));
    let (container, mut lines) = start(spec).await;
    for expected in [dir.path().to_str().unwrap(), "2", "350", "0", "64", &id, "no input"] {
        assert_eq!(line(&mut lines).await, (Stdio::Out, expected.to_owned()));
    }
    assert_eq!(soon(container.exit()).await, Exit::Code(0));
    soon(container.end(Duration::ZERO)).await;
}

#[tokio::test]
async fn it_may_have_a_file_for_every_connection_and_its_own_beside() {
    for (connections, files) in [(1, "350"), (222, "350"), (512, "640")] {
        let mut spec = script("ulimit -n");
        spec.connections_max = connections;
        let (_container, mut lines) = start(spec).await;
        assert_eq!(line(&mut lines).await, (Stdio::Out, files.to_owned()));
    }
}

#[tokio::test]
async fn a_program_is_a_name_in_the_path_or_a_path_from_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("func");
    std::fs::write(&file, "#!/bin/sh\necho \"$0\" \"$1\"\n").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for image in ["process:./func 'a b'", "process:func 'a b'"] {
        let mut spec = spec(image);
        spec.dir = Some(dir.path().to_owned());
        let path = spec.env[0].1.clone();
        spec.env.push(("PATH".to_owned(), format!("{}:{path}", dir.path().display())));
        let (_container, mut lines) = start(spec).await;
        let said = line(&mut lines).await.1;
        assert!(said.starts_with(dir.path().to_str().unwrap()) && said.ends_with("func a b"), "{said}");
    }
}

#[tokio::test]
async fn an_image_that_does_not_start_is_the_images_fault_and_named() {
    for (image, why) in [
        ("docker:alpine", "does not begin with process:"),
        ("process:", "names no program"),
        ("process:sh -c 'x", "has a ' that is not closed"),
        ("process:no-such-program-here x", "there is no such program in"),
        ("process:/no/such/file", "there is no such program"),
        ("process:/etc/passwd", "it may not be executed"),
    ] {
        let e = refusal(spec(image)).await;
        assert!(matches!(e, DriverError::Image { .. }), "{e:?}");
        let e = e.to_string();
        assert!(e.contains(why) && e.contains(image.split(' ').next().unwrap()), "{e}");
    }
    let mut nowhere = script("exit");
    nowhere.dir = Some("/no/such/place".into());
    let e = refusal(nowhere).await.to_string();
    assert!(e.contains("/no/such/place"), "{e}");
}

#[tokio::test]
async fn with_pipes_standard_output_is_the_formats_and_standard_error_the_log() {
    let mut spec = script("echo complaint >&2; cat; exit 3");
    spec.pipes = true;
    let (container, mut lines) = start(spec).await;
    let Some(Ends::Pipes { mut stdin, mut stdout, exit }) = container.pipes() else { panic!("pipes") };
    assert!(container.pipes().is_none(), "they are given once");

    assert_eq!(line(&mut lines).await, (Stdio::Err, "complaint".to_owned()));
    let mut buf = [0; 8];
    assert_eq!(stdout.read_now(&mut buf).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    stdin.write_all(b"hi").await.unwrap();
    assert_eq!(soon(stdout.read(&mut buf)).await.unwrap(), 2);
    stdin.write_all(b"you").await.unwrap();
    drop(stdin);
    assert_eq!(soon(exit.0).await, Exit::Code(3));
    assert_eq!(stdout.read_now(&mut buf).unwrap(), 3);
    assert_eq!(stdout.read_now(&mut buf).unwrap(), 0);
}

#[tokio::test]
async fn a_flood_of_either_stream_blocks_neither_the_process_nor_the_other_stream() {
    let flood = "yes complaint | head -c 4000000 >&2; yes remark | head -c 4000000; echo done; echo done >&2";
    let (container, mut lines) = start(script(flood)).await;
    assert_eq!(soon(container.exit()).await, Exit::Code(0));
    soon(container.end(Duration::ZERO)).await;
    drop(container);
    let (mut out, mut err, mut last) = (0, 0, Vec::new());
    while let Some((stdio, line)) = soon(lines.recv()).await {
        match stdio {
            Stdio::Out => out += line.len() + 1,
            Stdio::Err => err += line.len() + 1,
        }
        if line.ends_with("done") {
            last.push(stdio);
        }
    }
    assert_eq!((out, err, last.len()), (4_000_005, 4_000_005, 2));
}

#[tokio::test]
async fn a_flood_that_nobody_keeps_waits_and_comes_to_its_end() {
    let log: LogLine = Arc::new(|_, _| Heard::Dropped);
    let began = std::time::Instant::now();
    let container = run(script("yes remark | head -c 2000000"), log).await.unwrap();
    assert_eq!(soon(container.exit()).await, Exit::Code(0));
    // Thirty turns of 64 KiB, of which the last may still be in the pipe, and a rest after each.
    assert!(began.elapsed() >= Duration::from_millis(50), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_line_without_end_is_cut() {
    let (_container, mut lines) = start(script("head -c 1000000 /dev/zero | tr '\\0' x; echo; echo next")).await;
    assert_eq!(line(&mut lines).await.1.len(), LINE_BYTES_MAX);
    assert_eq!(line(&mut lines).await.1, "next");
}

#[tokio::test]
async fn frozen_it_stands_still_and_thawed_it_goes_on() {
    let mut spec = script("echo $$ >&2; exec cat");
    spec.pipes = true;
    let (container, mut lines) = start(spec).await;
    let pid = line(&mut lines).await.1;
    let Some(Ends::Pipes { mut stdin, mut stdout, .. }) = container.pipes() else { panic!("pipes") };
    container.freeze().await.unwrap();
    soon(async {
        while state(&pid).as_deref() != Some("T") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let mut buf = [0; 8];
    stdin.write_all(b"hi").await.unwrap();
    assert_eq!(stdout.read_now(&mut buf).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    container.thaw().await.unwrap();
    assert_eq!(soon(stdout.read(&mut buf)).await.unwrap(), 2);

    container.freeze().await.unwrap();
    soon(container.end(PATIENCE)).await;
    assert_eq!(soon(container.exit()).await, Exit::Signal(15), "a frozen one hears the question");
}

#[tokio::test]
async fn ending_leaves_nothing_also_of_what_has_left_the_group() {
    let text = "setsid sh -c 'echo $$; exec sleep 600' & sleep 600 & echo $!; wait";
    let (container, mut lines) = start(script(text)).await;
    let strays = [line(&mut lines).await.1, line(&mut lines).await.1];
    assert!(strays.iter().all(|pid| runs(pid)));
    soon(container.end(PATIENCE)).await;
    assert!(!strays.iter().any(|pid| runs(pid)));
}

#[tokio::test]
async fn what_it_says_on_its_way_out_is_logged_before_it_is_over() {
    let (container, mut lines) =
        start(script("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.01; done")).await;
    assert_eq!(line(&mut lines).await.1, "up");
    soon(container.end(PATIENCE)).await;
    let rest: Vec<_> = std::iter::from_fn(|| lines.try_recv().ok()).collect();
    assert!(rest.contains(&(Stdio::Out, "bye".to_owned())), "{rest:?}");
    assert_eq!(soon(container.exit()).await, Exit::Code(7));
}
