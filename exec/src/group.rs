//! Is anything of a process group still running?

use std::time::Duration;

use rustix::io::Errno;
use rustix::process::Pid;

use crate::process::{self, Stat};

/// The first pause between two looks; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// From this pause on each look goes through `/proc`.
const PAUSE_THOROUGH: Duration = Duration::from_millis(8);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_millis(64);

/// Resolves when nothing of `group` runs, whose leader was reaped. Nothing announces that, so it is asked for again and
/// again; one that was killed is gone at the first or second time of asking.
///
/// The quick question is the kernel's own, and counts the dead whom nobody has reaped: in a
/// container whose first process does not do that they would keep the group forever. So after a few
/// times the question is put to `/proc`, which tells the dead from the living.
///
/// As long as anything is of the group, no process is given its number. So where there is a process of
/// that number the group is gone, and what is of that name now is another's.
pub(crate) async fn gone(group: Pid) {
    let mut pause = PAUSE_MIN;
    while rustix::process::test_kill_process_group(group).is_ok() && !is_anothers(group) {
        if pause >= PAUSE_THOROUGH && !tokio::task::spawn_blocking(move || runs(group)).await.unwrap_or(true) {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// That we may not send it a signal is an answer too.
fn is_anothers(number: Pid) -> bool {
    rustix::process::test_kill_process(number) != Err(Errno::SRCH)
}

fn runs(group: Pid) -> bool {
    process::all().filter_map(Stat::read).any(|stat| stat.group == group.as_raw_pid() && !stat.has_ended())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn a_number_that_is_anothers_by_now_is_not_waited_for() {
        let mut other = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        let waited = tokio::time::timeout(Duration::from_secs(10), gone(Pid::from_child(&other))).await;
        assert!(waited.is_ok() && other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
