//! Hosts as small trees of files.

use std::fs;

use super::*;

const GB_KB: u64 = 1 << 20;

/// What `Host::read` says of a host with `gb` GB available, CPUs `cpus`, and `files` of text.
fn host(gb: u64, cpus: &str, files: &[(&str, &str)]) -> Result<Host, HostError> {
    let root = tempfile::tempdir().unwrap();
    let meminfo = format!("MemTotal:       99999999 kB\nMemAvailable:   {} kB\nSwapFree: 0 kB\n", gb * GB_KB);
    let status = format!("Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t{cpus}\nMems_allowed:\t1\n");
    for (name, text) in [("proc/meminfo", &*meminfo), ("proc/self/status", &*status)].iter().chain(files) {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    Host::read(root.path())
}

fn check(files: &[(&str, &str)], memory_mb: u64, cpu_milli: u64) {
    assert_eq!(host(100, "0-7", files).unwrap(), Host { memory_mb, cpu_milli });
}

/// 100 GB less the largest headroom.
const ALL_MB: u64 = 95 * 1024;

const V2: (&str, &str) = (
    "proc/self/mountinfo",
    "25 30 0:22 / /proc rw - proc proc rw\n30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
);
const V1: (&str, &str) = (
    "proc/self/mountinfo",
    "31 24 0:27 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n\
     32 24 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct\n\
     33 24 0:29 / /sys/fs/cgroup/cpuset rw shared:11 - cgroup cgroup rw,cpuset\n",
);

#[test]
fn headroom_is_a_tenth_between_its_bounds() {
    for (gb, memory_mb) in [(1, 1024 - 256), (2, 2048 - 256), (10, 9 * 1024), (50, 45 * 1024), (200, 195 * 1024)] {
        assert_eq!(host(gb, "0", &[]).unwrap().memory_mb, memory_mb, "{gb} GB");
    }
}

#[test]
fn no_more_than_the_least_headroom_is_too_little() {
    let e = without_headroom(256 * MB).unwrap_err().to_string();
    assert!(e.contains("256 MB of memory are usable"), "{e}");
    assert_eq!(without_headroom(256 * MB + 1).unwrap(), 1);
    let limit = [V2, ("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "1048576\n")];
    assert!(matches!(host(100, "0", &limit), Err(HostError::TooLittleMemory { usable_mb: 1 })));
}

#[test]
fn cpus_are_those_we_may_run_on() {
    for (list, cpu_milli) in [("0", 1000), ("0-3", 4000), ("0-1,4,6-7", 5000)] {
        assert_eq!(host(1, list, &[]).unwrap().cpu_milli, cpu_milli, "{list}");
    }
}

#[test]
fn without_groups_or_limits_all_is_ours() {
    check(&[], ALL_MB, 8000);
    check(&[V2, ("proc/self/cgroup", "0::/\n")], ALL_MB, 8000);
    check(
        &[
            V2,
            ("proc/self/cgroup", "0::/a\n"),
            ("sys/fs/cgroup/a/memory.max", "max\n"),
            ("sys/fs/cgroup/a/cpu.max", "max 100000\n"),
        ],
        ALL_MB,
        8000,
    );
    check(
        &[
            V1,
            ("proc/self/cgroup", "2:cpu,cpuacct:/\n1:memory:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
        ],
        ALL_MB,
        8000,
    );
}

#[test]
fn the_narrowest_of_nested_groups_counts() {
    for (inner, outer) in [("2147483648", "max"), ("max", "2147483648"), ("2147483648", "99999999999")] {
        check(
            &[
                V2,
                ("proc/self/cgroup", "0::/outer/inner\n"),
                ("sys/fs/cgroup/outer/inner/memory.max", inner),
                ("sys/fs/cgroup/outer/memory.max", outer),
                ("sys/fs/cgroup/outer/cpu.max", "150000 100000\n"),
                ("sys/fs/cgroup/other/memory.max", "1"),
            ],
            2048 - 256,
            1500,
        );
    }
}

#[test]
fn the_old_version_is_read_each_controller_from_its_own_mount() {
    check(
        &[
            V1,
            ("proc/self/cgroup", "3:cpuset:/\n2:cpu,cpuacct:/c\n1:memory:/a/b\n0::/\n"),
            ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "10737418240\n"),
            ("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/c/memory.limit_in_bytes", "1"),
            ("sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_quota_us", "250000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_period_us", "100000\n"),
        ],
        9 * 1024,
        2500,
    );
}

#[test]
fn in_a_container_the_mount_shows_but_the_last_part_of_the_path() {
    let mounts =
        |group: &str| format!("31 24 0:27 {group} /sys/fs/cgroup\\040here/memory rw - cgroup cgroup rw,memory\n");
    for (mounted, ours, limited) in [
        ("/docker/x", "/docker/x", "sys/fs/cgroup here/memory/memory.limit_in_bytes"),
        ("/docker/x", "/docker/x/sub", "sys/fs/cgroup here/memory/sub/memory.limit_in_bytes"),
        ("/", "/../elsewhere", "sys/fs/cgroup here/memory/memory.limit_in_bytes"),
    ] {
        check(
            &[
                ("proc/self/mountinfo", &mounts(mounted)),
                ("proc/self/cgroup", &format!("1:memory:{ours}\n")),
                (limited, "10737418240\n"),
            ],
            9 * 1024,
            8000,
        );
    }
}

#[test]
fn what_is_unclear_is_named() {
    let root = tempfile::tempdir().unwrap();
    let e = Host::read(root.path()).unwrap_err().to_string();
    assert!(e.contains("proc/meminfo"), "{e}");
    let e = host(1, "none", &[]).unwrap_err().to_string();
    assert!(e.contains("proc/self/status\" does not say Cpus_allowed_list"), "{e}");
}

#[test]
fn this_host_can_be_read() {
    let host = Host::read(Path::new("/")).unwrap();
    assert!(host.memory_mb > 0 && host.cpu_milli > 0, "{host:?}");
}
