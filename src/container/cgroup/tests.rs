//! Groups as small trees of files, and real ones where we may make them.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use super::*;

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
