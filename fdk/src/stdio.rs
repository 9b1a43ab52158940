//! Calls over standard input and output, one after another: the four formats that came before the
//! socket.
//!
//! Here the platform takes whatever the process prints for an answer, so the first thing that
//! happens is that the two descriptors are taken away from everybody else: see [`ends`]. Then calls
//! are served until the input ends or the process is asked to end; a call under way is finished
//! first.
//!
//! * [`documents`]: `json` and `cloudevent`, one document a call, one an answer.
//! * [`http`]: `http`, whose bodies stream both ways.
//! * [`once`]: `default`, a single call that is the process's whole life.

mod documents;
mod ends;
mod http;
mod once;
mod reading;

use std::sync::Arc;

use tokio::time::timeout_at;

use crate::Function;
use crate::settings::Settings;
use crate::shutdown::{Asked, Ending};

pub(crate) use documents::{serve_cloudevent, serve_json};
pub(crate) use http::serve as serve_http;
pub(crate) use once::serve as serve_default;

/// Bytes that are read at once.
const READ_BYTES: usize = 16 << 10;

/// A function at work, until its input ends or it is asked to end.
struct Session {
    function: Arc<Function>,
    settings: Arc<Settings>,
    asked: Asked,
    /// Set once it was asked.
    ending: Option<Ending>,
}

impl Session {
    fn new(function: Arc<Function>, settings: Arc<Settings>, asked: Asked) -> Self {
        Self { function, settings, asked, ending: None }
    }

    /// Waits for what comes next; `None` if the session is over.
    async fn next<T>(&mut self, coming: impl Future<Output = T>) -> Option<T> {
        if self.ending.is_some() {
            return None;
        }
        // What has come already is not held up by a look at signals.
        tokio::select! {
            biased;
            next = coming => Some(next),
            () = self.asked.asked() => {
                self.ending = Some(Ending::begin(&self.settings));
                None
            }
        }
    }

    /// Sees work through; once asked to end only as long as the budget allows, and then `None`.
    async fn finish<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        if self.ending.is_none() {
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                () = self.asked.asked() => self.ending = Some(Ending::begin(&self.settings)),
            }
        }
        let until = self.ending.as_ref().map(|ending| ending.calls)?;
        timeout_at(until, work).await.ok()
    }

    /// The last step of every session.
    async fn end(self) {
        let ending = self.ending.unwrap_or_else(|| Ending::begin(&self.settings));
        ending.run_hook(&self.function).await;
    }
}
