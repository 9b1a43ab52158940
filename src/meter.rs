//! The closing event of a call: every measured step on one line.

use hotfn_protocols::{CallId, Fault, FunctionId, Reply, Timing};

/// The target of calls' closing events, at debug level.
pub const TARGET: &str = "hotfn::call";

/// Does anybody listen? Costs one comparison if not.
pub(crate) fn is_heard() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::DEBUG)
}

/// Says how a call ended, once, when its answer's head or its fault was there.
pub(crate) fn closing(id: CallId, function: &FunctionId, outcome: &Result<Reply, Fault>, timing: &Timing) {
    let micros = |step: Option<std::time::Duration>| step.map(|step| step.as_micros() as u64);
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
