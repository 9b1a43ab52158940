//! The little a function has in a container.

use std::ffi::OsString;

use crate::case::Entry;
use crate::check::{Run, Stop, holds};
use crate::function::Home;
use crate::stage::Stage;
use crate::subject::Program;
use crate::wire::Request;

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::should(
        49,
        "User 1000, a read-only root, no privileges",
        "A function runs as user 1000, without capabilities, where only /tmp can be written.",
        |stage| within(stage, 1000, READ_ONLY),
    ),
    Entry::should(
        50,
        "50 processes, 350 descriptors",
        "A function runs where it may have 50 processes and threads, and 350 open files.",
        // The bound on processes counts all of a user's, so this user is nobody else's.
        |stage| within(stage, 51_234, FEW),
    ),
];

/// Remounts everything but `/tmp` and the listener's folder for reading only, as a container has it.
const READ_ONLY: &str = "mount --bind /tmp /tmp && mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro / && ";
const FEW: &str = "prlimit --pid $$ --nofile=350:350 --nproc=50:50 && ";

fn within(stage: &Stage, user: u32, less: &str) -> Run {
    // A container of an image is bound from the start.
    if matches!(stage.subject.program, Program::Command(_)) && !rustix::process::geteuid().is_root() {
        return Err(Stop::untold("only root can start a function as another user"));
    }
    let mut function = stage.start_with(|launch, home| launch.prefix = prefix(user, less, home))?;
    let answer = function.call(&Request::echo("within bounds"))?.is(200, "a call in a container's bounds")?;
    holds!(answer.body == b"within bounds", "the call was answered {}", answer.brief());
    function.still_serves("its first call")
}

/// `unshare`, then what a shell does as root, then the command as `user` without privileges.
fn prefix(user: u32, less: &str, home: &Home) -> Vec<OsString> {
    let user = format!(
        "{less}exec setpriv --reuid={user} --regid={user} --clear-groups --no-new-privs --bounding-set=-all \"$@\""
    );
    let words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", &user];
    words.into_iter().map(OsString::from).chain([home.folder().as_os_str().to_owned()]).collect()
}
