//! What the agent tells of calls and launches: every measured step of one on one line.

use std::time::Duration;

use hotfn_protocols::{CallId, Fault, FunctionId, Reply, Timing};

use crate::{Function, Phases};

/// The target of calls' closing events, at debug level.
pub const TARGET: &str = "hotfn::call";

/// Does anybody listen? Costs one comparison if not.
pub(crate) fn is_heard() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::DEBUG)
}

/// Says how a call ended, once, when its answer's head or its fault was there.
pub(crate) fn closing(id: CallId, function: &FunctionId, outcome: &Result<Reply, Fault>, timing: &Timing) {
    let micros = |step: Option<Duration>| step.map(micros);
    let (status, fault) = match outcome {
        Ok(reply) => (Some(reply.head.status.as_u16()), None),
        Err(fault) => (None, Some(fault)),
    };
    tracing::debug!(
        target: TARGET,
        call_id = %id,
        fn_id = %function,
        status,
        fault = fault.map(|f| f.kind().code()),
        blame = fault.map(|f| f.blame().as_str()),
        reason = fault.and_then(Fault::reason),
        queue_us = micros(timing.queue),
        launch_us = micros(timing.launch),
        thaw_us = micros(timing.thaw),
        dispatch_us = micros(timing.dispatch),
        function_us = micros(timing.function),
        "call ended"
    );
}

/// Says that a container is up, and what that took.
pub(crate) fn launched(container: &str, function: &Function, phases: &Phases) {
    tracing::info!(
        container_id = %container,
        fn_id = %function.id,
        image = %function.image,
        took_ms = phases.total().as_millis() as u64,
        image_us = micros(phases.image),
        create_us = micros(phases.create),
        start_us = micros(phases.start),
        socket_us = micros(phases.socket),
        "container is up"
    );
}

/// Says that a container did not come up, and how far it came.
pub(crate) fn not_launched(function: &Function, fault: &Fault, phases: &Phases) {
    tracing::warn!(
        fn_id = %function.id,
        image = %function.image,
        image_us = micros(phases.image),
        create_us = micros(phases.create),
        start_us = micros(phases.start),
        socket_us = micros(phases.socket),
        "container did not come up: {fault}"
    );
}

fn micros(took: Duration) -> u64 {
    took.as_micros() as u64
}
