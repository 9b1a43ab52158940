//! Groups as small trees of files, and real ones where we may make them.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use super::*;
use crate::container::usage::Usage;

const V1: &str =
    "36 31 0:31 / /cg/memory rw - cgroup cgroup rw,memory\n37 31 0:34 / /cg/freezer rw - cgroup cgroup rw,freezer\n";
const V2: &str = "41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n";

/// A root where process 7 is in `groups`, with `files` of text.
fn root(mounts: &str, groups: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let text = [("proc/self/mountinfo", mounts), ("proc/7/cgroup", groups)];
    for (name, text) in text.iter().chain(files) {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

#[tokio::test]
async fn the_old_versions_files_are_written_and_read() {
    let groups = "5:freezer:/docker/abc\n4:memory:/docker/abc\n0::/\n";
    let files = [
        ("cg/freezer/docker/abc/freezer.state", "THAWED\n"),
        ("cg/memory/docker/abc/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
        ("cg/unified/cgroup.freeze", "0"),
    ];
    let root = root(&[V2, V1].concat(), groups, &files);
    let group = Cgroup::below(root.path(), 7, "abc").unwrap();
    let state = || fs::read_to_string(root.path().join(files[0].0)).unwrap();
    group.freeze().await.unwrap();
    assert_eq!(state(), "FROZEN\n", "a file is written over, not cut");
    group.thaw().unwrap();
    assert_eq!(state(), "THAWED\n");
    assert_eq!(group.oom_kills(), Some(3));
}

#[tokio::test(start_paused = true)]
async fn the_new_versions_group_is_frozen_when_its_events_say_so() {
    let files = [
        ("cg/unified/pod/abc/cgroup.freeze", "0\n"),
        ("cg/unified/pod/abc/cgroup.events", "populated 1\nfrozen 0\n"),
        ("cg/unified/pod/abc/memory.events", "oom 2\noom_kill 1\noom_group_kill 0\n"),
    ];
    let root = root(V2, "0::/pod/abc\n", &files);
    let group = Cgroup::below(root.path(), 7, "abc").unwrap();
    assert_eq!(group.freeze().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    fs::write(root.path().join(files[1].0), "populated 1\nfrozen 1\n").unwrap();
    group.freeze().await.unwrap();
    assert_eq!(fs::read_to_string(root.path().join(files[0].0)).unwrap(), "1\n");
    assert_eq!(group.oom_kills(), Some(1));
}

#[test]
fn a_group_of_another_name_is_not_taken() {
    for (groups, name) in [("0::/\n", "abc"), ("0::/other\n", "abc"), ("0::/../abc\n", "abc"), ("0::/other\n", "")] {
        let files = [("cg/unified/cgroup.freeze", "0"), ("cg/unified/other/cgroup.freeze", "0")];
        let root = root(V2, groups, &files);
        let e = Cgroup::below(root.path(), 7, name).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::NotFound, "{groups}");
        assert!(e.to_string().contains(groups.trim()), "{e}");
    }
    let root = root(V2, "0::/abc\n", &[]);
    assert_eq!(Cgroup::below(root.path(), 8, "abc").unwrap_err().kind(), io::ErrorKind::NotFound);
}

const NET: &str = "Inter-|   Receive  |  Transmit\n face |bytes packets\n    lo: 9 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n  \
     eth0: 100 1 0 0 0 0 0 0 30 1 0 0 0 0 0 0\n  eth1:1 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n";

/// Gives process 7 a network, which is ours if `is_ours`.
fn network(root: &tempfile::TempDir, is_ours: bool) {
    for (process, id) in [("self", 1), ("7", if is_ours { 1 } else { 2 })] {
        let ns = root.path().join(format!("proc/{process}/ns"));
        fs::create_dir_all(&ns).unwrap();
        std::os::unix::fs::symlink(format!("net:[{id}]"), ns.join("net")).unwrap();
    }
}

#[test]
fn what_a_group_uses_is_read_from_either_version() {
    let millis = |ms| Some(Duration::from_millis(ms));
    let expected = Usage {
        cpu_total: millis(3500),
        cpu_user: millis(2000),
        cpu_kernel: millis(1500),
        memory_bytes: Some(4096),
        memory_bytes_max: Some(8192),
        received_bytes: Some(101),
        sent_bytes: Some(32),
        read_bytes: Some(30),
        written_bytes: Some(5),
    };
    let v1_mounts = "36 31 0:31 / /cg/memory rw - cgroup cgroup rw,memory\n37 31 0:34 / /cg/cpu rw - cgroup cgroup rw,cpu,\
                     cpuacct\n38 31 0:35 / /cg/blkio rw - cgroup cgroup rw,blkio\n";
    let v1 = [
        ("cg/cpu/docker/abc/cpuacct.usage", "3500000000\n"),
        ("cg/cpu/docker/abc/cpuacct.stat", "user 200\nsystem 150\n"),
        ("cg/memory/docker/abc/memory.usage_in_bytes", "4096\n"),
        ("cg/memory/docker/abc/memory.limit_in_bytes", "8192\n"),
        ("cg/memory/docker/abc/cgroup.procs", "7\n8\n"),
        (
            "cg/blkio/docker/abc/blkio.throttle.io_service_bytes",
            "8:0 Read 10\n8:0 Write 5\n8:0 Sync 15\n8:0 Total 15\n9:0 Read 20\n9:0 Write 0\nTotal 35\n",
        ),
        ("proc/7/net/dev", NET),
    ];
    let v2 = [
        ("cg/unified/docker/abc/cpu.stat", "usage_usec 3500000\nuser_usec 2000000\nsystem_usec 1500000\n"),
        ("cg/unified/docker/abc/memory.current", "4096\n"),
        ("cg/unified/docker/abc/memory.max", "8192\n"),
        ("cg/unified/docker/abc/cgroup.procs", "7\n"),
        (
            "cg/unified/docker/abc/io.stat",
            "8:0 rbytes=10 wbytes=5 rios=1 wios=1 dbytes=9 dios=9\n9:0 rbytes=20 wbytes=0\n",
        ),
        ("proc/7/net/dev", NET),
    ];
    let groups = "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n3:blkio:/docker/abc\n0::/\n";
    for root in [root(v1_mounts, groups, &v1), root(V2, "0::/docker/abc\n", &v2)] {
        network(&root, false);
        assert_eq!(Accounts::below(root.path(), 7, "abc").unwrap().read(), expected);
        assert_eq!(Accounts::below(root.path(), 7, "xyz").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}

#[test]
fn what_a_group_does_not_say_is_not_told() {
    let v2 = [("cg/unified/abc/memory.current", "1\n"), ("cg/unified/abc/memory.max", "max\n")];
    let root = root(V2, "0::/abc\n", &v2);
    let accounts = Accounts::below(root.path(), 7, "abc").unwrap();
    assert_eq!(accounts.read(), Usage { memory_bytes: Some(1), ..Usage::default() });
    fs::write(root.path().join("cg/unified/abc/cgroup.procs"), "7\n").unwrap();
    fs::create_dir_all(root.path().join("proc/7/net")).unwrap();
    fs::write(root.path().join("proc/7/net/dev"), NET).unwrap();
    network(&root, true);
    assert_eq!(accounts.read().received_bytes, None, "the traffic of a network that is ours is the host's");
    fs::remove_dir_all(root.path().join("cg/unified/abc")).unwrap();
    assert_eq!(accounts.read(), Usage::default());
}

/// A real group with a real process in it, which gives back what it is given.
struct Real {
    place: PathBuf,
    child: Child,
}

impl Real {
    /// In the hierarchy at `top`, if we may make one there.
    fn at(top: &str, name: &str) -> Option<Self> {
        let place = Path::new(top).join(name);
        if !Path::new(top).join("cgroup.procs").exists() || fs::create_dir(&place).is_err() {
            return None;
        }
        let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let real = Self { place, child };
        fs::write(real.place.join("cgroup.procs"), real.child.id().to_string()).ok()?;
        Some(real)
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir(&self.place);
    }
}

#[tokio::test]
async fn a_real_group_stands_still_and_goes_on() {
    for top in ["/sys/fs/cgroup/freezer", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"] {
        let name = format!("hotfn-test-{}", ulid::Ulid::generate());
        let Some(mut real) = Real::at(top, &name) else { continue };
        let group = Cgroup::of(real.child.id(), &name).unwrap();
        let (mut stdin, mut stdout) = (real.child.stdin.take().unwrap(), real.child.stdout.take().unwrap());
        for _ in 0..3 {
            group.freeze().await.unwrap();
            stdin.write_all(b"x").unwrap();
            assert_eq!(rustix::io::ioctl_fionread(&stdout).unwrap(), 0, "{top}");
            group.thaw().unwrap();
            stdout.read_exact(&mut [0]).unwrap();
        }
    }
}
