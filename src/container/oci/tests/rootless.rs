//! Without root. The tests have it, so this one starts itself once more as somebody else, to whom
//! users are lent by a file of this test's own.

use std::process::Command;

use super::*;

/// Says to this very test that it is the second one.
const AGAIN: &str = "HOTFN_TEST_ROOTLESS";
/// Nobody, on most hosts.
const USER: u32 = 65_534;
/// The first that is lent to it.
const LENT: u32 = 100_000;

#[test]
fn somebody_who_is_not_root_has_containers_without_limits() {
    if std::env::var_os(AGAIN).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(second());
    }
    if !is_possible() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let home = dir.path().join("home");
    fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(USER), Some(USER)).unwrap();
    let lent = dir.path().join("lent");
    fs::write(&lent, format!("{USER}:{LENT}:65536\nnobody:{LENT}:65536\n")).unwrap();
    // The program may lie where only root may look.
    let program = dir.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();

    let script = "mount --bind $1 /etc/subuid && mount --bind $1 /etc/subgid && touch $1.ready
                  exec setpriv --reuid=$2 --regid=$2 --clear-groups $3 --exact --nocapture $4";
    let name = "container::oci::tests::rootless::somebody_who_is_not_root_has_containers_without_limits";
    let mut second = Command::new("unshare");
    second.args(["--mount", "sh", "-c", script, "sh"]).arg(&lent).arg(USER.to_string()).arg(program).arg(name);
    let Ok(said) = second.env(AGAIN, "1").env("TMPDIR", &home).output() else {
        return eprintln!("SKIPPED: needs unshare");
    };
    if !dir.path().join("lent.ready").exists() {
        return eprintln!("SKIPPED: this kernel lends no users: {}", String::from_utf8_lossy(&said.stderr));
    }
    let stderr = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{}\n{stderr}", String::from_utf8_lossy(&said.stdout));
    eprint!("{stderr}");
}

async fn second() {
    let state = Some(std::env::temp_dir().join("refused"));
    let refused = Engine::start(Config { state, ..Config::default() }).await.unwrap_err();
    assert!(matches!(refused, StartError::Unlimited), "{refused}");

    let world = World::with(Config { unlimited: true, ..Config::default() }).await;
    let iofs = world.dir.path().join("iofs");
    fs::create_dir(&iofs).unwrap();
    fs::set_permissions(&iofs, fs::Permissions::from_mode(0o777)).unwrap();
    let spec = Spec { iofs: Some(iofs.clone()), ..world.spec("rootless") };
    let script = "id -u; touch /tmp/iofs/mine; touch /x 2>/dev/null || echo refused; ls /sys/class/net; exit 4";
    let mut shell = world.start(spec, script).await;
    for expected in ["1000", "refused", "lo"] {
        assert_eq!(shell.line().await, expected);
    }
    assert_eq!(shell.exit().await, Exit::Code(4));
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(iofs.join("mine")).unwrap());
    assert_eq!(owner, LENT + Sandbox::USER - 1);
    shell.running.freeze().await.unwrap();
    shell.running.thaw().await.unwrap();
    shell.running.end(Duration::ZERO).await;
    assert_eq!(world.left(), Vec::<String>::new());
}
