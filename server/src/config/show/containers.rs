//! `[containers]`.

use super::super::Containers;
use super::page::{Page, millis, number, text};

pub(super) fn table(page: &mut Page, containers: &Containers) {
    let sandbox = containers.sandbox();
    let usual_pull = hotfn::Config::default().pull_timeout;
    page.header("[containers]");
    page.line("driver", containers.driver.is_some(), containers.driver().to_string());
    let pull = millis(containers.pull_timeout().unwrap_or(usual_pull));
    page.line("pull_timeout_ms", containers.pull_timeout_ms.is_some(), pull);
    let images = containers.images_bytes_max;
    page.line("images_bytes_max", images.is_some(), number(images.unwrap_or_default()));
    page.perhaps("images_exempt", containers.images_exempt.clone(), "none");
    page.perhaps("load", containers.load.as_deref().map(text), "nothing");
    page.line("unprivileged", containers.unprivileged.is_some(), sandbox.unprivileged);
    page.line("read_only", containers.read_only.is_some(), sandbox.read_only);
    page.line("tmp", containers.tmp_mb.is_some(), number(sandbox.tmp_mb));
    page.line("tmp_inodes", containers.tmp_inodes.is_some(), number(sandbox.tmp_inodes));
    page.line("pids", containers.pids.is_some(), number(sandbox.pids));
    let rlimits = &sandbox.rlimits;
    page.line("open_files", containers.open_files.is_some(), number(rlimits.open_files));
    page.line("locked_bytes", containers.locked_bytes.is_some(), number(rlimits.locked_bytes));
    page.line("pending_signals", containers.pending_signals.is_some(), number(rlimits.pending_signals));
    page.line("message_queue_bytes", containers.message_queue_bytes.is_some(), number(rlimits.message_queue_bytes));
    page.line("volumes", containers.volumes.is_some(), sandbox.volumes);
    page.perhaps("networks", containers.networks.clone(), "the driver's own choice");
    page.perhaps("docker_host", containers.docker_host.clone(), "DOCKER_HOST, else the usual sockets");
    page.perhaps("docker_iofs", containers.docker_iofs.as_deref().map(text), "as iofs");
    page.perhaps("docker_label", containers.docker_label.clone(), "none");
    if containers.docker_auth.is_some() {
        page.note("docker_auth", "set by the environment, and not shown");
    }
    page.line("unlimited", containers.unlimited.is_some(), containers.unlimited.unwrap_or_default());
    page.perhaps("runtime", containers.runtime.clone(), "the first that works");
}
