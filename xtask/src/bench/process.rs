//! A process that ends with its owner, and what the kernel says of any.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a process may take to end before it is killed.
const END_GRACE: Duration = Duration::from_secs(10);
/// How long something may take to come up.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The kernel counts processor time for programs in these, whatever its own clock does.
const TICKS_PER_SECOND: f64 = 100.0;

/// A child that ends when this value does.
#[derive(Debug)]
pub(crate) struct Process(Child);

/// Processor time since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) user_us: f64,
    pub(crate) system_us: f64,
}

impl Process {
    /// Starts `command`; what it prints goes to the file `log`.
    pub(crate) fn spawn(command: &mut Command, log: &Path) -> Result<Self> {
        let log = fs::File::create(log).with_context(|| format!("cannot make {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self(child))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(Some(_)))
    }

    /// Asks it to end, and waits until it did. Dropping does the same.
    pub(crate) fn end(&mut self) {
        if self.has_ended() {
            // Its number is another's, or will be.
            return;
        }
        // TERM first, so that a node takes its containers along.
        let asked = Command::new("kill").arg(self.id().to_string()).stderr(Stdio::null()).status().is_ok();
        let began = Instant::now();
        while asked && began.elapsed() < END_GRACE {
            if self.has_ended() {
                return;
            }
            thread::sleep(LOOK_EVERY);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

impl Cpu {
    /// What the process `id` has taken so far.
    pub(crate) fn of(id: u32) -> Result<Self> {
        let path = format!("/proc/{id}/stat");
        let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}; did the process end?"))?;
        Self::parse(&stat).with_context(|| format!("{path} says {stat:?}"))
    }

    /// What was taken since `before`, for each of `calls`.
    pub(crate) fn since(self, before: Self, calls: f64) -> Self {
        Self {
            user_us: (self.user_us - before.user_us) / calls,
            system_us: (self.system_us - before.system_us) / calls,
        }
    }

    fn parse(stat: &str) -> Option<Self> {
        let us = |field: usize| -> Option<f64> {
            Some(fields(stat)?.nth(field)?.parse::<f64>().ok()? * 1e6 / TICKS_PER_SECOND)
        };
        Some(Self { user_us: us(11)?, system_us: us(12)? })
    }
}

impl std::ops::Add for Cpu {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { user_us: self.user_us + other.user_us, system_us: self.system_us + other.system_us }
    }
}

/// The children of a process.
pub(crate) fn children(id: u32) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(child) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that ended meanwhile is nobody's child.
        let Ok(stat) = fs::read_to_string(format!("/proc/{child}/stat")) else { continue };
        if fields(&stat).and_then(|mut fields| fields.nth(1)) == Some(&id.to_string()) {
            found.push(child);
        }
    }
    Ok(found)
}

/// What the process holds in memory now.
pub(crate) fn rss_bytes(id: u32) -> Result<f64> {
    status_bytes(id, "VmRSS:")
}

/// The most it held since [`forget_peak`].
pub(crate) fn peak_bytes(id: u32) -> Result<f64> {
    status_bytes(id, "VmHWM:")
}

/// Begins to look for the most it holds.
pub(crate) fn forget_peak(id: u32) -> Result<()> {
    let path = format!("/proc/{id}/clear_refs");
    fs::write(&path, "5").with_context(|| format!("cannot write {path}"))
}

/// Waits until `seen`, which is looked for often.
pub(crate) fn wait_until(what: &str, mut seen: impl FnMut() -> bool) -> Result<()> {
    let began = Instant::now();
    while !seen() {
        if began.elapsed() > START_TIMEOUT {
            bail!("waited {} s in vain for {what}", START_TIMEOUT.as_secs());
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

fn status_bytes(id: u32, name: &str) -> Result<f64> {
    let path = format!("/proc/{id}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}; did the process end?"))?;
    let kib = status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kib.map(|kib| kib * 1024.0).with_context(|| format!("no {name} in {path}"))
}

/// The fields of a `stat` from the third on: the second is a name in parentheses, with anything in it.
fn fields(stat: &str) -> Option<std::str::SplitAsciiWhitespace<'_>> {
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_is_passed_over() {
        let stat = "7 (a) b) S 3 7 7 0 -1 4194304 1 0 0 0 250 125 0 0 20 0 1 0";
        assert_eq!(fields(stat).unwrap().nth(1), Some("3"));
        let cpu = Cpu::parse(stat).unwrap();
        assert_eq!((cpu.user_us, cpu.system_us), (2_500_000.0, 1_250_000.0));
    }

    #[test]
    fn this_process_has_memory() {
        assert!(rss_bytes(std::process::id()).unwrap() > 0.0);
        assert!(children(std::process::id()).is_ok());
    }
}
