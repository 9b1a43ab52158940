//! A function that wants more than it may have harms itself alone.

use super::*;

#[tokio::test]
async fn one_that_takes_too_much_memory_ends_and_it_is_told_why() {
    if !is_possible() {
        return;
    }
    let world = World::new().await;
    let spec = Spec { memory_mb: 32, ..world.spec("memory") };
    // Files in memory count.
    let shell = world.start(spec, "head -c 200000000 /dev/zero >/tmp/much; sleep 10").await;
    assert_eq!(shell.exit().await, Exit::OutOfMemory);
    shell.running.end(Duration::ZERO).await;

    let spec = Spec { memory_mb: 64, ..world.spec("memory-own") };
    let shell = world.start(spec, "exec tail /dev/zero").await;
    assert_eq!(shell.exit().await, Exit::OutOfMemory);
    shell.running.end(Duration::ZERO).await;
    assert_eq!(world.left(), Vec::<String>::new());
}

#[tokio::test]
async fn processes_files_and_space_have_an_end() {
    if !is_possible() {
        return;
    }
    let sandbox = Sandbox { tmp_mb: 1, tmp_inodes: 100, pids: 12, ..Sandbox::default() };
    let world = World::with(Config { sandbox, ..Config::default() }).await;
    let script = "(for i in $(seq 100); do sleep 5 & done) 2>/dev/null
                  ls /proc | grep -c '^[0-9]*$'";
    let mut shell = world.run(script).await;
    // If even that could not be counted the limit has held all the more.
    let exit = shell.exit().await;
    if let Ok(Some(line)) = tokio::time::timeout(Duration::from_secs(1), shell.lines.recv()).await
        && let Ok(processes) = line.parse::<u32>()
    {
        assert!(processes <= 14, "{processes} processes, {exit}");
    }
    shell.running.end(Duration::ZERO).await;

    let script = "head -c 3000000 /dev/zero >/tmp/large 2>/dev/null || echo full
                  rm /tmp/large; for i in $(seq 200); do : >/tmp/$i || break; done 2>/dev/null; ls /tmp | wc -l";
    let (_, lines) = world.output(script).await;
    assert_eq!(lines[0], "full");
    assert!(lines.last().unwrap().trim().parse::<u32>().unwrap_or(0) <= 100, "{lines:?}");
}

#[tokio::test]
async fn cpu_is_held_to_its_share() {
    if !is_possible() {
        return;
    }
    let world = World::new().await;
    let script = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max";
    // The kernel takes no less than a hundredth of a CPU, and would have the container fail.
    for (cpu_milli, quota) in [(100, "10000"), (1, "1000")] {
        let spec = Spec { cpu_milli, ..world.spec(&format!("cpu-{cpu_milli}")) };
        let mut shell = world.start(spec, script).await;
        assert_eq!(shell.line().await, quota);
        shell.running.end(Duration::ZERO).await;
    }
}
