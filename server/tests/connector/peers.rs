//! Peers that others wrote: socat, nc, logger and rsyslog; and decompressors, for what we compress.

use std::fs;
use std::process::{Child, Command, Stdio};

use super::*;

/// Is the program here? Skips aloud where it is not.
fn is_there(program: &str) -> bool {
    let look = Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    let is_there = look.is_ok_and(|status| status.success());
    if !is_there {
        assert!(std::env::var_os("HOTFN_NO_SKIP").is_none(), "{program} is not there, and nothing may be skipped");
        eprintln!("SKIPPED: {program} is not there");
    }
    is_there
}

/// Runs a shell's line; what it prints.
async fn shell(line: &str) -> String {
    let output = soon(tokio::process::Command::new("sh").args(["-c", line]).output()).await.unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Case 18, by those who do it.
#[tokio::test]
async fn others_programs_get_their_replies() {
    let stage = Stage::new();
    let path = stage.lines(json!({}));
    let path = path.display();
    for (program, line) in [
        ("nc", format!("printf '{{\"a\":1}}\\n' | nc -N -U {path}")),
        ("socat", format!("printf '{{\"a\":1}}\\n' | socat -t 10 - UNIX-CONNECT:{path}")),
    ] {
        if is_there(program) {
            assert_eq!(shell(&line).await, "{\"a\":1}\n", "{program}");
        }
    }
}

/// Case 31: packets of a connection, and datagrams, as socat sends them.
#[tokio::test]
async fn socat_is_answered_by_packets_and_datagrams() {
    if !is_there("socat") {
        return;
    }
    for (kind, address) in [("seqpacket", "UNIX-CONNECT:$,type=5"), ("dgram", "UNIX-SENDTO:$,bind=$.own")] {
        let stage = Stage::new();
        let path = stage.lines(json!({"socket": kind, "preprocessors": [], "postprocessors": []}));
        let address = address.replace('$', path.to_str().unwrap());
        // Where nothing says that this was all, it waits for a second.
        let line = format!("printf '[1, 2]' | socat -t 1 - {address}");
        assert_eq!(shell(&line).await, "[1,2]", "{kind}");
    }
}

/// A rsyslog with a config of the test's, ended with it.
struct Rsyslog(Child);

impl Rsyslog {
    fn start(stage: &Stage, config: &str) -> Self {
        let file = stage.path("rsyslog.conf");
        fs::write(&file, config.replace("FOLDER", stage.folder.path().to_str().unwrap())).unwrap();
        let mut command = Command::new("rsyslogd");
        command.arg("-n").arg("-f").arg(&file).arg("-i").arg(stage.path("rsyslog.pid"));
        Self(command.spawn().unwrap())
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// From a program by its own socket, through rsyslog, into a connector.
#[tokio::test]
async fn what_rsyslog_forwards_is_an_event() {
    if !is_there("rsyslogd") || !is_there("logger") {
        return;
    }
    let (told, mut called) = tokio::sync::mpsc::unbounded_channel();
    let stage = Stage::answering(move |asked| {
        told.send(asked.json()).unwrap();
        std::future::ready(Ok(Reply::default()))
    });
    stage.lines(json!({"socket": "dgram", "codec": "syslog", "preprocessors": [], "call": "f"}));
    let _rsyslog = Rsyslog::start(
        &stage,
        r#"
        module(load="imuxsock" SysSock.Use="off")
        input(type="imuxsock" Socket="FOLDER/log")
        module(load="omuxsock")
        $OMUxSockSocket FOLDER/lines
        *.* :omuxsock:
        "#,
    );
    until(|| stage.path("log").exists()).await;
    let line =
        format!("logger --socket {} --tag shop --priority local3.err 'no more tea'", stage.path("log").display());
    shell(&line).await;
    let event = loop {
        let event = soon(called.recv()).await.unwrap();
        // rsyslog tells of its own start as well.
        if event["msg"].as_str().is_some_and(|text| text.contains("tea")) {
            break event;
        }
    };
    assert_eq!((&event["severity"], &event["facility"]), (&json!("err"), &json!("local3")));
    assert_eq!(event["appname"], "shop");
}

/// From a peer of ours through a client connector into rsyslog, over a stream with counted octets.
#[tokio::test]
async fn rsyslog_takes_what_a_client_sends() {
    if !is_there("rsyslogd") {
        return;
    }
    let stage = Stage::new();
    let _rsyslog = Rsyslog::start(
        &stage,
        r#"
        module(load="imptcp")
        input(type="imptcp" path="FOLDER/sink")
        template(name="plain" type="string" string="%syslogseverity-text% %programname% %msg%\n")
        action(type="omfile" file="FOLDER/sink.log" template="plain")
        "#,
    );
    let client = json!({
        "codec": "syslog", "postprocessors": ["textual-length-prefixed"], "to": ["discard"],
        "path": stage.path("sink").to_str().unwrap(),
        "reconnect": {"retry": {"interval_ms": 20, "randomized": false}},
    });
    stage.start("log", "unix_socket_client", client).unwrap();
    let path = stage.lines(json!({"to": ["log"]}));
    let mut peer = Peer::connect(&path).await;
    let message = json!({"severity": "warning", "facility": "user", "appname": "shop", "msg": "tea is\nshort"});
    peer.send(&format!("{message}\n")).await;
    let log = stage.path("sink.log");
    until(|| fs::read_to_string(&log).is_ok_and(|text| text.contains("short"))).await;
    let text = fs::read_to_string(&log).unwrap();
    let line = text.lines().find(|line| line.contains("tea")).unwrap();
    assert!(line.starts_with("warning shop") && line.contains("tea is"), "{text}");
}

/// Case 9: what we compress, others read.
#[tokio::test]
async fn what_goes_out_compressed_is_read_by_others() {
    for (algorithm, program) in [("gzip", "gzip -dc"), ("zstd", "zstd -dc"), ("lz4", "lz4 -dc")] {
        if !is_there(algorithm) {
            continue;
        }
        let stage = Stage::new();
        let path = stage.lines(json!({"postprocessors": [algorithm]}));
        let long = "\"".to_owned() + &"tea and more ".repeat(10_000) + "\"";
        let mut peer = Peer::connect(&path).await;
        peer.send(&format!("{long}\n")).await;
        peer.finish().await;
        let mut item = Vec::new();
        soon(peer.lines.get_mut().read_to_end(&mut item)).await.unwrap();
        fs::write(stage.path("item"), &item).unwrap();
        let said = shell(&format!("{program} < {}", stage.path("item").display())).await;
        assert_eq!(said, long, "{algorithm}");
    }
}
