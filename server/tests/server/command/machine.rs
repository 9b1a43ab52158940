//! Case 34 on a whole machine: a copy of this one, which is thrown away, with a service manager that
//! only writes down what it is told.

use std::process::{Command, Output};

use crate::{is_root, skipped};

const HOTFN: &str = env!("CARGO_BIN_EXE_hotfn");

/// Runs `$3` on a copy of this machine; `$1` is an empty folder, `$2` the program, which is `hotfn` there.
/// What is written goes to memory, and the program is not copied.
const COPY: &str = r#"
set -e
mount -t tmpfs none "$1"
mkdir "$1/written" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/written,workdir=$1/work" "$1/root"
mount --rbind /dev "$1/root/dev"
mount --rbind /proc "$1/root/proc"
mkdir -p "$1/root/run/systemd/system" "$1/root/usr/local/bin"
touch "$1/root/usr/local/bin/hotfn"
mount --bind "$2" "$1/root/usr/local/bin/hotfn"
printf '#!/bin/sh\necho "$@" >> /told\n' > "$1/root/usr/local/bin/systemctl"
chmod 755 "$1/root/usr/local/bin/systemctl"
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
exec chroot "$1/root" /bin/sh -ec "$3"
"#;

const INSTALL: &str = r#"
state() {
    stat -c '%n %a %U:%G' /etc/dataflux-func-sidecar /usr/local/bin/dataflux-func-sidecar \
        /etc/systemd/system/dataflux-func-sidecar.service
    sha256sum < /etc/dataflux-func-sidecar
    sha256sum < /etc/systemd/system/dataflux-func-sidecar.service
    getent passwd dffs
}
hotfn command-server install --bind 127.0.0.1:8099 > /first
state > /state
cat /state
cmp "$(command -v hotfn)" /usr/local/bin/dataflux-func-sidecar
grep -c '^secret key: ' /first
cat /told && rm /told
echo again
hotfn command-server install > /second
state | cmp - /state
grep -c '^secret key: ' /second || true
cat /told && rm /told
echo rotate
hotfn command-server rotate-key > /dev/null
stat -c '%a %U:%G' /etc/dataflux-func-sidecar
cat /told && rm /told
echo uninstall
hotfn command-server uninstall > /dev/null
cat /told
ls /etc/systemd/system/dataflux-func-sidecar.service /usr/local/bin/dataflux-func-sidecar 2>/dev/null || echo gone
getent passwd dffs > /dev/null && stat -c %a /etc/dataflux-func-sidecar
"#;

fn on_a_copy(script: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "sh", "-c", COPY, "sh"]).arg(folder.path()).args([HOTFN, script]);
    unshare.output().unwrap()
}

#[test]
fn case_34_on_a_machine_it_installs_twice_with_the_same_result_and_restarts_once() {
    if !is_root() {
        return skipped("a copy of this machine takes root");
    }
    if !on_a_copy("true").status.success() {
        return skipped("no file systems may be mounted here");
    }
    let done = on_a_copy(INSTALL);
    let (said, complaint) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{said}\n{complaint}");
    let (first, rest) = said.split_once("again\n").unwrap();
    let (second, rest) = rest.split_once("rotate\n").unwrap();
    let (rotated, removed) = rest.split_once("uninstall\n").unwrap();

    for line in [
        "/etc/dataflux-func-sidecar 640 root:dffs",
        "/usr/local/bin/dataflux-func-sidecar 755 root:root",
        "/etc/systemd/system/dataflux-func-sidecar.service 644 root:root",
        "1",
    ] {
        assert!(first.lines().any(|told| told == line), "{line}: {first}");
    }
    let user = first.lines().find(|line| line.starts_with("dffs:")).unwrap();
    assert!(user.ends_with(":/var/lib/dataflux-func-sidecar:/usr/sbin/nologin"), "{user}");
    let unit = "dataflux-func-sidecar.service";
    let told = format!("daemon-reload\nenable --quiet {unit}\nrestart {unit}\n");
    assert!(first.ends_with(&told), "{first}");
    assert_eq!(second, format!("0\n{told}"), "nothing differs, no key is shown, it is restarted once");
    assert_eq!(rotated, format!("640 root:dffs\ntry-reload-or-restart {unit}\n"));
    assert_eq!(removed, format!("disable --now --quiet {unit}\ndaemon-reload\ngone\n640\n"));
}
