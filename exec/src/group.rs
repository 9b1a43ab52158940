//! Is anything of a process group still running?

use std::time::Duration;

use rustix::process::Pid;

use crate::process::{self, Stat};

/// The first pause between two looks; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// From this pause on each look goes through `/proc`.
const PAUSE_THOROUGH: Duration = Duration::from_millis(8);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_millis(64);

/// Resolves when nothing of `group` runs. Nothing announces that, so it is asked for again and
/// again; one that was killed is gone at the first or second time of asking.
///
/// The quick question is the kernel's own, and counts the dead whom nobody has reaped: in a
/// container whose first process does not do that they would keep the group forever. So after a few
/// times the question is put to `/proc`, which tells the dead from the living.
pub(crate) async fn gone(group: Pid) {
    let mut pause = PAUSE_MIN;
    while rustix::process::test_kill_process_group(group).is_ok() {
        if pause >= PAUSE_THOROUGH && !tokio::task::spawn_blocking(move || runs(group)).await.unwrap_or(true) {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

fn runs(group: Pid) -> bool {
    process::all().filter_map(Stat::read).any(|stat| stat.group == group.as_raw_pid() && !stat.has_ended())
}
