//! Calls whose caller does not wait.
//!
//! The caller gets the call's name at once; the call goes on in a task that the front's tracker
//! counts, so that draining waits for it. Its outcome is only logged. A node that ends by force
//! loses what it had in hand: nothing is written down here.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use hotfn::Invoke;
use hotfn_protocols::{Body, BodyError, Call, Fault, Kind};

use super::Config;

pub(super) struct Detached {
    invoke: Arc<dyn Invoke>,
    calls: TaskTracker,
    room: Arc<Semaphore>,
    calls_max: usize,
    body_bytes_max: u64,
}

impl Detached {
    pub(super) fn new(invoke: Arc<dyn Invoke>, calls: TaskTracker, config: &Config) -> Self {
        Self {
            invoke,
            calls,
            room: Arc::new(Semaphore::new(config.detached_max)),
            calls_max: config.detached_max,
            body_bytes_max: config.detached_body_bytes_max,
        }
    }

    /// Takes the whole body in, since the connection it came on will be busy with other things,
    /// and lets the call go.
    ///
    /// # Errors
    /// When too many are under way, or the body is too long or breaks off.
    pub(super) async fn start(&self, mut call: Call) -> Result<(), Fault> {
        let room = self.room.clone().try_acquire_owned().map_err(|e| {
            Fault::new(Kind::Busy).because(format!("{} detached calls are under way", self.calls_max)).caused_by(e)
        })?;
        let body = std::mem::take(&mut call.body).gather(self.body_bytes_max).await.map_err(refused)?;
        call.body = Body::from(body);
        let invoke = self.invoke.clone();
        self.calls.spawn(async move {
            finish(&*invoke, call).await;
            drop(room);
        });
        Ok(())
    }
}

async fn finish(invoke: &dyn Invoke, call: Call) {
    let (id, function) = (call.id, call.function.clone());
    let outcome = match invoke.invoke(call).await {
        Ok(reply) => read_out(reply.body).await.map_err(anyhow::Error::from),
        Err(fault) => Err(fault.into()),
    };
    match outcome {
        Ok(()) => tracing::debug!(call_id = %id, fn_id = %function, "detached call ended"),
        Err(e) => tracing::warn!(call_id = %id, fn_id = %function, "detached call failed: {e:#}"),
    }
}

/// Nobody wants the answer, but the function is to finish it.
async fn read_out(mut body: Body) -> Result<(), BodyError> {
    while let Some(piece) = body.next().await {
        piece?;
    }
    Ok(())
}

fn refused(error: BodyError) -> Fault {
    let (kind, reason) = match &error {
        BodyError::TooLarge { max } => {
            (Kind::RequestTooLarge, format!("a detached call's body is at most {max} bytes"))
        }
        BodyError::Cut(_) => (Kind::CallCut, error.to_string()),
    };
    Fault::new(kind).because(reason).caused_by(error)
}
