//! Cases 12 to 22 and 36 to 38: what runs, and how it is told.

use std::time::Duration;

use hotfn_server::command::{Bounds, Config, Strays};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::sidecar::{Ask, KEY, Sidecar, config, eventually, runs, told, within};
use crate::client::{Client, ask};
use crate::soon;

/// As the platform's connector asks, in its own spelling.
#[tokio::test]
async fn case_12_runs_the_hostname_check_and_returns_its_pair() {
    let sidecar = Sidecar::start(config()).await;
    let (status, answer) = sidecar.shell(r#"{"command":"hostname","wait":true}"#).await;
    let (stdout, stderr) = (answer["data"]["stdout"].as_str().unwrap(), answer["data"]["stderr"].as_str());
    assert_eq!((status, answer["ok"].as_bool(), answer["message"].as_str()), (200, Some(true), Some("")));
    assert!(stdout.len() > 1 && stdout.ends_with('\n'), "{stdout:?}");
    assert_eq!((stderr, answer["data"]["exitCode"].as_i64()), (Some(""), Some(0)));
    assert_eq!(answer["data"]["id"].as_str().unwrap().len(), 26);
    assert!(answer["data"]["durationMs"].is_u64());
}

#[tokio::test]
async fn case_13_returns_at_once_for_wait_false_and_still_runs_the_command() {
    let sidecar = Sidecar::start(config()).await;
    let dir = tempfile::tempdir().unwrap();
    let (go, done) = (dir.path().join("go"), dir.path().join("done"));
    let command = format!("until [ -e {} ]; do sleep 0.01; done; echo x > {}", go.display(), done.display());
    let (status, answer) = sidecar.shell(&json!({ "command": command, "wait": false }).to_string()).await;
    assert_eq!(status, 200);
    let id = answer["data"]["id"].as_str().unwrap();
    assert_eq!(answer, json!({"ok": true, "message": "", "data": {"stdout": "", "stderr": "", "id": id}}));
    assert!(!done.exists());
    std::fs::write(go, "").unwrap();
    eventually("the command's mark", || done.exists().then_some(())).await;
}

#[tokio::test]
async fn case_14_applies_workdir_and_a_missing_one_cannot_start() {
    let sidecar = Sidecar::start(config()).await;
    let (_, answer) = sidecar.shell(r#"{"command":"pwd","workdir":"/usr/bin"}"#).await;
    assert_eq!(answer["data"]["stdout"], "/usr/bin\n");
    for wait in [true, false] {
        let (status, answer) =
            sidecar.shell(&json!({"command": "pwd", "workdir": "/x/y", "wait": wait}).to_string()).await;
        let message = "workdir does not exist: /x/y";
        let expected = json!({"ok": false, "error": 400, "reason": "CannotStart", "message": message});
        assert_eq!((status, answer), (400, expected));
    }
    let (status, answer) = sidecar.shell(r#"{"command":"pwd","workdir":"here"}"#).await;
    assert_eq!((status, answer["reason"].as_str()), (400, Some("BadRequest")));
    assert_eq!(sidecar.service.running(), 0);
}

#[tokio::test]
async fn case_15_applies_envs_as_list_and_as_object_and_refuses_those_that_load_code() {
    let sidecar = Sidecar::start(config()).await;
    for envs in [json!(["A=1", "B=x=y"]), json!({"A": "1", "B": "x=y"})] {
        let (_, answer) = sidecar.shell(&json!({"command": "echo $A-$B", "envs": envs}).to_string()).await;
        assert_eq!(answer["data"]["stdout"], "1-x=y\n");
    }
    for envs in [json!(["LD_PRELOAD=/x.so"]), json!({"LD_PRELOAD": "/x.so"}), json!({"A=B": "x"}), json!(["A"])] {
        let (status, answer) = sidecar.shell(&json!({"command": "true", "envs": envs}).to_string()).await;
        assert_eq!((status, answer["reason"].as_str()), (400, Some("BadRequest")), "{envs}");
    }
}

#[tokio::test]
async fn case_16_goes_on_after_the_client_disconnects() {
    let sidecar = Sidecar::start(config()).await;
    let dir = tempfile::tempdir().unwrap();
    let [begun, go, done] = ["begun", "go", "done"].map(|name| dir.path().join(name));
    let shown = [&begun, &go, &done].map(|path| path.display().to_string());
    let command = format!("touch {}; until [ -e {} ]; do sleep 0.01; done; touch {}", shown[0], shown[1], shown[2]);
    let mut client = Client::connect(sidecar.addr).await;
    client.stream.write_all(&Ask::shell(&json!({"command": command}).to_string()).bytes()).await.unwrap();
    eventually("the command's begin", || begun.exists().then_some(())).await;
    drop(client);
    // The service has noticed when it serves the next.
    assert_eq!(sidecar.output("echo hi").await, "hi\n");
    std::fs::write(go, "").unwrap();
    eventually("the command's end", || done.exists().then_some(())).await;
}

#[tokio::test]
async fn case_17_answers_at_once_when_the_shell_ended_and_leaves_what_is_in_the_background() {
    let sidecar = Sidecar::start(config()).await;
    let answer = sidecar.shell(r#"{"command":"sleep 30 & echo $!; echo hi"}"#);
    let (_, answer) = within(Duration::from_secs(1), answer).await;
    let stdout = answer["data"]["stdout"].as_str().unwrap();
    let (pid, hi) = stdout.split_once('\n').unwrap();
    assert_eq!(hi, "hi\n");
    assert!(runs(pid));
    assert_eq!(sidecar.output(&format!("kill {pid}")).await, "");

    let strict = Sidecar::start(Config { strays: Strays::Kill, ..config() }).await;
    let pid = strict.output("sleep 30 & echo $!").await;
    eventually("the stray's end", || (!runs(&pid)).then_some(())).await;
}

#[tokio::test]
async fn case_17_what_is_in_the_background_is_not_killed_by_printing() {
    let sidecar = Sidecar::start(config()).await;
    let dir = tempfile::tempdir().unwrap();
    let done = dir.path().join("done");
    let script = format!("(sleep 0.1; echo late; echo later; touch {}) & echo hi", done.display());
    assert_eq!(sidecar.output(&script).await, "hi\n");
    eventually("the background's end", || done.exists().then_some(())).await;
}

#[tokio::test]
async fn case_18_answers_a_failed_command_with_200_and_tells_the_signal() {
    let sidecar = Sidecar::start(config()).await;
    let (status, answer) = sidecar.shell(r#"{"command":"echo no >&2; exit 7"}"#).await;
    assert_eq!((status, answer["ok"].as_bool()), (200, Some(true)));
    assert_eq!((answer["data"]["exitCode"].as_i64(), answer["data"]["stderr"].as_str()), (Some(7), Some("no\n")));
    assert!(answer["data"].get("signal").is_none());
    let (status, answer) = sidecar.shell(r#"{"command":"kill -9 $$"}"#).await;
    assert_eq!((status, answer["data"]["signal"].as_str()), (200, Some("SIGKILL")));
    let failing = Config { failure_status: Some(http::StatusCode::INTERNAL_SERVER_ERROR), ..config() };
    let sidecar = Sidecar::start(failing).await;
    assert_eq!(sidecar.shell(r#"{"command":"exit 7"}"#).await.0, 500);
    assert_eq!(sidecar.shell(r#"{"command":"exit 0"}"#).await.0, 200);
}

#[tokio::test]
async fn case_19_keeps_the_first_and_the_last_half_of_a_flood_in_bounded_memory() {
    let bounds = Bounds { output_bytes_max: 1 << 10, ..Bounds::default() };
    let sidecar = Sidecar::start(Config { bounds, ..config() }).await;
    let (_, answer) = sidecar.shell(r#"{"command":"echo first; yes | head -c 100M; echo last"}"#).await;
    let stdout = answer["data"]["stdout"].as_str().unwrap();
    assert!(stdout.len() < 1100 && stdout.starts_with("first\ny\n") && stdout.ends_with("y\nlast\n"), "{stdout}");
    assert!(stdout.contains(&format!("\n… {} bytes left out …\n", (100 << 20) + 11 - 1024)), "{stdout}");
    assert_eq!(answer["data"]["truncated"], json!(["stdout"]));
}

#[tokio::test]
async fn case_20_replaces_what_is_not_utf_8_and_base64_returns_it_exactly() {
    let sidecar = Sidecar::start(config()).await;
    let command = r"printf 'a\377b\000'";
    let (_, answer) = sidecar.shell(&json!({"command": command}).to_string()).await;
    assert_eq!(answer["data"]["stdout"], "a\u{fffd}b\0");
    let (_, answer) = sidecar.shell(&json!({"command": command, "encoding": "base64"}).to_string()).await;
    assert_eq!(answer["data"]["stdout"], "Yf9iAA==");
}

#[tokio::test]
async fn case_21_gives_a_command_a_clean_environment() {
    let env = vec![("FROM_CONFIG".to_owned(), "1".to_owned())];
    let sidecar = Sidecar::start(Config { env, ..config() }).await;
    let printed = sidecar.output("/usr/bin/env").await;
    let mut names: Vec<&str> = printed.lines().map(|line| line.split('=').next().unwrap()).collect();
    names.sort_unstable();
    // The shell adds two of its own, and where there is no control group a mark is needed.
    names.retain(|name| !["_", "PWD", "HOTFN_JOB"].contains(name));
    assert_eq!(names, ["FROM_CONFIG", "HOME", "LANG", "LOGNAME", "PATH", "SHELL", "USER"]);
    assert!(!printed.contains(KEY));
}

#[tokio::test]
async fn case_22_ends_the_whole_tree_when_time_is_up() {
    let bounds =
        Bounds { run_max: Some(Duration::from_millis(300)), end_grace: Duration::from_millis(50), ..Bounds::default() };
    let sidecar = Sidecar::start(Config { bounds, ..config() }).await;
    let command = "trap '' TERM; sleep 600 & echo $!; setsid sleep 601 & echo $!; \
                   until pgrep -f 'sleep 601' >/dev/null; do :; done; wait";
    let (status, answer) = soon(sidecar.shell(&json!({"command": command}).to_string())).await;
    assert_eq!((status, answer["data"]["timedOut"].as_bool()), (200, Some(true)), "{answer}");
    for pid in answer["data"]["stdout"].as_str().unwrap().lines() {
        assert!(!runs(pid), "{pid} of {answer}");
    }
}

#[tokio::test]
async fn a_wait_that_is_too_long_ends_with_the_jobs_name() {
    let bounds = Bounds { wait_max: Duration::from_millis(50), ..Bounds::default() };
    let sidecar = Sidecar::start(Config { bounds, ..config() }).await;
    let (status, answer) = sidecar.shell(r#"{"command":"echo hi; sleep 600"}"#).await;
    assert_eq!((status, answer["data"]["running"].as_bool()), (200, Some(true)));
    let id = answer["data"]["id"].as_str().unwrap();
    assert_eq!(sidecar.get("DELETE", &format!("/shell/{id}")).await.0, 200);
}

#[tokio::test]
async fn case_36_streams_events_while_the_command_runs() {
    let sidecar = Sidecar::start(config()).await;
    let dir = tempfile::tempdir().unwrap();
    let go = dir.path().join("go");
    let command = format!("echo one; until [ -e {} ]; do sleep 0.01; done; echo two >&2; exit 3", go.display());
    let body = json!({"command": command, "stream": true}).to_string();
    let mut client = Client::connect(sidecar.addr).await;
    client.stream.write_all(&Ask::shell(&body).bytes()).await.unwrap();
    let head = client.head().await;
    assert_eq!(head.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let first = within(Duration::from_secs(1), client.until("\n\n")).await;
    assert!(first.ends_with("event: stdout\ndata: {\"data\":\"one\\n\"}\n\n"), "{first}");
    std::fs::write(go, "").unwrap();
    client.until("event: stderr\ndata: {\"data\":\"two\\n\"}\n\n").await;
    let exit = client.until("\n\n").await;
    assert!(exit.contains("event: exit\ndata: {\"durationMs\":") && exit.contains("\"exitCode\":3"), "{exit}");

    let ask = Ask { more: "Accept: application/x-ndjson\r\n", ..Ask::shell(r#"{"command":"echo hi"}"#) };
    let mut client = Client::connect(sidecar.addr).await;
    client.stream.write_all(&ask.bytes()).await.unwrap();
    client.head().await;
    client.until("{\"data\":\"hi\\n\",\"event\":\"stdout\"}\n").await;
    client.until("\"event\":\"exit\"").await;
}

#[tokio::test]
async fn case_37_looks_jobs_up_and_ends_them() {
    let sidecar = Sidecar::start(config()).await;
    let (_, answer) = sidecar.shell(r#"{"command":"echo hi; sleep 600","wait":false}"#).await;
    let path = format!("/shell/{}", answer["data"]["id"].as_str().unwrap());
    let output = soon(async {
        loop {
            let (status, answer) = sidecar.get("GET", &path).await;
            assert_eq!((status, answer["data"]["running"].as_bool()), (200, Some(true)));
            if answer["data"]["stdout"] != "" {
                return answer["data"]["stdout"].clone();
            }
        }
    })
    .await;
    assert_eq!(output, "hi\n");
    let (status, answer) = within(Duration::from_secs(5), sidecar.get("DELETE", &path)).await;
    assert_eq!((status, answer["data"]["signal"].as_str()), (200, Some("SIGTERM")));
    let (_, answer) = sidecar.get("GET", &path).await;
    assert_eq!((answer["data"].get("running"), answer["data"]["exitCode"].as_i64()), (None, Some(143)));
    let (status, answer) = sidecar.get("GET", "/shell/nothing").await;
    assert_eq!((status, answer["reason"].as_str()), (404, Some("NotFound")));
    assert_eq!(ask(sidecar.addr, &format!("GET {path} HTTP/1.1\nHost: t\n\n")).await.status, 401);
}

#[tokio::test]
async fn case_38_shows_the_welcome_text_with_version_and_release_date() {
    let sidecar = Sidecar::start(config()).await;
    let answer = ask(sidecar.addr, "GET / HTTP/1.1\nHost: t\n\n").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    let lines: Vec<&str> = answer.body.lines().filter(|line| !line.is_empty()).collect();
    assert!(lines[1].starts_with("* Version: ") && lines[2].starts_with("* Release Date: 20"), "{lines:?}");
    assert_eq!(lines[2].len(), "* Release Date: YYYY-MM-DD HH:MM:SS".len());
    let mut client = Client::connect(sidecar.addr).await;
    client.send("HEAD / HTTP/1.1\nHost: t\n\n").await;
    assert_eq!(client.head().await.status, 200);
}

#[tokio::test]
async fn a_program_runs_without_a_shell_and_reads_what_it_is_given() {
    let sidecar = Sidecar::start(config()).await;
    let run = async |body: Value| told(sidecar.send(&Ask::post("/run", &body.to_string())).await);
    let (status, answer) = run(json!({"argv": ["cat", "-"], "stdin": "hi $HOME", "cwd": "/"})).await;
    assert_eq!((status, answer["data"]["stdout"].as_str()), (200, Some("hi $HOME")));
    let (_, answer) = run(json!({"argv": ["printf", "%s", "a;b $(id)"], "label": {"for": "test"}})).await;
    assert_eq!(answer["data"]["stdout"], "a;b $(id)");
    let (status, answer) = run(json!({"argv": ["no-such-program"]})).await;
    assert_eq!((status, answer["reason"].as_str()), (400, Some("CannotStart")));
    let (_, answer) = run(json!({"argv": ["sleep", "600"], "timeoutMs": 50})).await;
    assert_eq!(
        (answer["data"]["timedOut"].as_bool(), answer["data"]["signal"].as_str()),
        (Some(true), Some("SIGTERM"))
    );
}

#[tokio::test]
async fn an_idempotency_key_has_one_job() {
    let sidecar = Sidecar::start(config()).await;
    let more = "Idempotency-Key: once\r\n";
    let ask = |body| Ask { more, ..Ask::shell(body) };
    let asks = [ask(r#"{"command":"echo $$"}"#), ask(r#"{"command":"echo $$"}"#)];
    let (one, two) = tokio::join!(sidecar.send(&asks[0]), sidecar.send(&asks[1]));
    assert_eq!(one.json()["data"]["stdout"], two.json()["data"]["stdout"]);
    assert_eq!(one.json()["data"]["id"], two.json()["data"]["id"]);
    assert_eq!(sidecar.send(&ask(r#"{"command":"echo other"}"#)).await.status, 400);
}
