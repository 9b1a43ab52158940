//! Peers that others wrote: socat, nc and rsyslog.

use std::process::Stdio;

use tokio::process::Command;

use super::*;

/// Runs a shell's line; what it prints. Skips aloud where the program is not there.
async fn shell(program: &str, line: &str) -> Option<String> {
    let there = Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status().await;
    if !there.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("HOTFN_NO_SKIP").is_none(), "{program} is not there, and nothing may be skipped");
        eprintln!("SKIPPED: {program} is not there");
        return None;
    }
    let output = soon(Command::new("sh").args(["-c", line]).output()).await.unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn others_programs_get_their_replies() {
    let stage = Stage::new();
    let path = stage.lines(json!({}));
    let path = path.display();
    for (program, line) in [
        ("nc", format!("printf '{{\"a\":1}}\\n' | nc -N -U {path}")),
        ("socat", format!("printf '{{\"a\":1}}\\n' | socat -t 10 - UNIX-CONNECT:{path}")),
    ] {
        if let Some(said) = shell(program, &line).await {
            assert_eq!(said, "{\"a\":1}\n", "{program}");
        }
    }
}
