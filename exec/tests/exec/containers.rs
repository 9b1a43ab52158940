//! Case 38: two containers that share nothing but the socket's folder.

use std::fs;
use std::process::{Command, Stdio};

use crate::harness::{client, skipped, soon};

/// Two sets of namespaces, a user's own among them, made with `unshare`.
fn contained() -> Command {
    let mut unshare = Command::new("unshare");
    unshare.args([
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--net",
        "--ipc",
        "--uts",
    ]);
    unshare
}

#[test]
fn case_38_between_two_containers_with_their_own_users_in_both_directions() {
    let works = contained().arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !works {
        return skipped("no namespaces may be made here with unshare(1)");
    }
    for turn in 0..2 {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let socket = dir.path().join("s");
        let log = fs::File::create(dir.path().join("log")).unwrap();
        // The caller's user is not one of the server's: only a rule for the unknown lets it in.
        let mut server = contained()
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "harness::not_a_test_but_the_server", "--nocapture"])
            .env("HOTFN_EXEC_TEST_SOCKET", &socket)
            .env("HOTFN_EXEC_TEST_RULES", "anyone")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        soon("the server in its container", || hotfn_socket::connect_packets(&socket).ok());
        let ask = |words: &[&str]| {
            let mut caller = contained();
            caller.arg(client()).arg("-c").arg(&socket).args(words);
            caller.stdin(Stdio::null()).output().unwrap()
        };
        let output = ask(&["sh", "-c", "echo from $$ of turn $1; exit 4", "sh", &turn.to_string()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(String::from_utf8_lossy(&output.stdout).ends_with(&format!("of turn {turn}\n")));
        let output = ask(&["--tty=always", "tty"]);
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("/dev/pts/"), "{output:?}");
        let log = fs::read_to_string(dir.path().join("log")).unwrap();
        assert!(log.contains("pid unknown"), "{log}");
        server.kill().unwrap();
        server.wait().unwrap();
    }
}
