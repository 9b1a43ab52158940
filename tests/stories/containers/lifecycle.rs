//! A container from its start to its end.

use std::io;
use std::time::Duration;

use hotfn::container::{Container, DriverError, Stdio};
use hotfn_protocols::{Ends, Exit, Format, Kind, Stdin, Stdout};
use hotfn_tests::images::Image;
use hotfn_tests::{processes, until};
use rustix::process::Signal;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{House, Lines, PATIENCE, answer, ask, log, soon};

/// Starts the example on its own.
async fn start(house: &House, told: &str) -> (Box<dyn Container>, Lines) {
    let (log, lines) = log();
    let created = house.driver.create(house.spec(told).await).await.unwrap();
    (created.start(log).await.unwrap(), lines)
}

fn pipes(container: &dyn Container) -> (Box<dyn Stdin>, Box<dyn Stdout>) {
    let Some(Ends::Pipes { stdin, stdout, .. }) = container.pipes() else { panic!("pipes") };
    assert!(container.pipes().is_none(), "they are given once");
    (stdin, stdout)
}

pub(super) async fn every_format_is_answered(house: &House) {
    let agent = house.agent();
    for format in Format::ALL {
        let mut function = house.function(&format.to_string(), "echo");
        function.format = format;
        agent.deploy(function);
    }
    for round in ["one", "two"] {
        for format in Format::ALL {
            let body = format!("{round} over {format}");
            let answer = answer(&agent, &format.to_string(), &body).await;
            assert!(answer.contains(&body), "{format}: {answer:?}");
        }
    }
    agent.drain(PATIENCE).await;
    assert!(processes::marked(&house.mark).is_empty());
}

pub(super) async fn the_functions_environment_is_over_the_images(house: &House) {
    let agent = house.agent();
    let mut function = house.function("f", "faulty");
    function.config.insert("GREETING".to_owned(), "hello".to_owned());
    function.config.insert("FROM_IMAGE".to_owned(), "no more".to_owned());
    agent.deploy(function);
    for (name, value) in [("GREETING", "hello"), ("FROM_IMAGE", "no more"), ("FN_FN_ID", "f"), ("FN_TYPE", "sync")] {
        assert_eq!(answer(&agent, "f", &format!("env {name}")).await, value, "{name}");
    }
    agent.drain(PATIENCE).await;
}

pub(super) async fn how_it_ended_is_told(house: &House) {
    for (told, expected) in
        [("exit 0", Exit::Code(0)), ("exit 3", Exit::Code(3)), ("abort", Exit::Signal(Signal::ABORT.as_raw()))]
    {
        let (container, _lines) = start(house, told).await;
        assert_eq!(soon(container.exit()).await, expected, "{told}");
        soon(container.end(Duration::ZERO)).await;
        assert_eq!(soon(container.exit()).await, expected, "{told}, asked late");
    }
}

/// More than any pipe of ours holds, and less than makes the function itself wait.
pub(super) async fn its_end_is_told_behind_what_it_wrote_unasked(house: &House) {
    let (container, _lines) = start(house, "").await;
    let (mut stdin, mut stdout) = pipes(&*container);
    soon(stdin.write_all(b"[[fill 40000; exit 3]]")).await.unwrap();
    assert_eq!(soon(container.exit()).await, Exit::Code(3));
    let mut written = Vec::new();
    soon(stdout.read_to_end(&mut written)).await.unwrap();
    assert_eq!(written.len(), 40_000, "it is still there");
    soon(container.end(Duration::ZERO)).await;
}

pub(super) async fn what_it_prints_is_log_line_by_line(house: &House) {
    let (container, mut lines) = start(house, "flood 4000000").await;
    let (mut stdin, _stdout) = pipes(&*container);
    // Behind the flood it is still heard.
    soon(stdin.write_all(b"[[eprint 160; exit 7]]")).await.unwrap();
    assert_eq!(soon(container.exit()).await, Exit::Code(7));
    soon(container.end(Duration::ZERO)).await;
    drop(container);
    let mut count = 0;
    while let Some((stdio, line)) = soon(lines.recv()).await {
        assert_eq!((stdio, line.len()), (Stdio::Err, 79));
        count += 1;
    }
    assert_eq!(count, 50_002);
}

pub(super) async fn frozen_it_stands_still_and_thawed_it_goes_on(house: &House) {
    let (container, _lines) = start(house, "").await;
    let (mut stdin, mut stdout) = pipes(&*container);
    let mut buf = [0; 16];
    for _ in 0..3 {
        soon(stdin.write_all(b"[[send hi]]")).await.unwrap();
        assert_eq!(soon(stdout.read(&mut buf)).await.unwrap(), 2);
        soon(container.freeze()).await.unwrap();
        soon(stdin.write_all(b"[[send you]]")).await.unwrap();
        assert_eq!(stdout.read_now(&mut buf).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        soon(container.thaw()).await.unwrap();
        assert_eq!(soon(stdout.read(&mut buf)).await.unwrap(), 3);
    }
    drop(stdin);
    assert_eq!(soon(container.exit()).await, Exit::Code(0), "its input has ended, and so does it");
    assert_eq!(soon(stdout.read(&mut buf)).await.unwrap(), 0);
    soon(container.end(Duration::ZERO)).await;
}

/// Also of one that is frozen; and of one that is gone, nothing is told for anything.
pub(super) async fn what_it_uses_can_be_looked_at(house: &House) {
    let (container, _lines) = start(house, "").await;
    let (mut stdin, mut stdout) = pipes(&*container);
    soon(stdin.write_all(b"[[send up]]")).await.unwrap();
    soon(stdout.read(&mut [0; 16])).await.unwrap();
    let usage = soon(container.usage()).await.expect("it is up");
    assert!(usage.memory_bytes.is_some_and(|bytes| bytes > 0) && usage.cpu_total.is_some(), "{usage:?}");
    assert!(usage.cpu_user.is_some() && usage.cpu_kernel.is_some() && usage.read_bytes.is_some(), "{usage:?}");
    if house.kind != "process" {
        // A network of its own, with nobody in it.
        assert_eq!((usage.memory_bytes_max, usage.received_bytes), (Some(64 << 20), Some(0)), "{usage:?}");
    }
    soon(container.freeze()).await.unwrap();
    assert!(soon(container.usage()).await.is_some_and(|frozen| frozen.cpu_total >= usage.cpu_total));
    soon(container.end(Duration::ZERO)).await;
    let gone = soon(container.usage()).await.unwrap_or_default();
    assert_eq!((gone.memory_bytes, gone.cpu_total, gone.received_bytes), (None, None, None));
}

pub(super) async fn a_frozen_one_hears_that_it_is_to_end(house: &House) {
    let (container, _lines) = start(house, "").await;
    let (mut stdin, mut stdout) = pipes(&*container);
    soon(stdin.write_all(b"[[send up]]")).await.unwrap();
    soon(stdout.read(&mut [0; 16])).await.unwrap();
    soon(container.freeze()).await.unwrap();
    soon(container.end(PATIENCE)).await;
    assert_eq!(soon(container.exit()).await, Exit::Signal(Signal::TERM.as_raw()));
    assert!(processes::marked(&house.mark).is_empty());
}

pub(super) async fn one_that_dies_while_it_idles_is_replaced(house: &House) {
    let agent = house.agent();
    let mut function = house.function("f", "echo");
    function.min_warm = 1;
    agent.deploy(function);
    assert_eq!(answer(&agent, "f", "hello").await, "hello");
    let old = processes::marked(&house.mark);
    assert!(!old.is_empty());
    old.iter().for_each(|pid| processes::signal(*pid, Signal::CONT));
    old.iter().for_each(|pid| processes::signal(*pid, Signal::KILL));
    until("another one in its place", PATIENCE, || {
        let now = processes::marked(&house.mark);
        (!now.is_empty() && now.iter().all(|pid| !old.contains(pid))).then_some(())
    })
    .await;
    assert_eq!(answer(&agent, "f", "again").await, "again");
    agent.drain(PATIENCE).await;
    assert!(processes::marked(&house.mark).is_empty());
}

pub(super) async fn what_cannot_be_started_is_the_images_fault(house: &House) {
    let image = match house.kind {
        "process" => "process:/no/such/program".to_owned(),
        _ => format!("docker-archive:{}", house.path("none.tar").display()),
    };
    let agent = house.agent();
    agent.deploy(hotfn::Function::new("f", image.clone()));
    let fault = ask(&agent, "f", "").await.unwrap_err();
    assert_eq!(fault.kind(), Kind::InitFailed, "{fault}");
    assert!(fault.to_string().contains(&image), "{fault}");
    agent.drain(PATIENCE).await;
}

pub(super) async fn an_image_with_a_volume_is_refused(house: &House) {
    let image = Image::of("echo").tag("hotfn-stories/volume:latest").config("Volumes", json!({ "/data": {} }));
    let image = image.archive(&house.path("volume.tar"));
    let refused = house.driver.prepare(&image).await.unwrap_err();
    assert!(matches!(refused, DriverError::Barred { .. }), "{refused:?}");
    assert!(refused.to_string().contains("declares the volume \"/data\""), "{refused}");
}
