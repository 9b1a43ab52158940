//! What a handler may know about the call it works on.

use std::ffi::OsString;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, HeaderName, Method, header};

use hotfn_protocols::http1::Lines;
use hotfn_protocols::names::FN_CALL_ID;
use hotfn_protocols::{Arrival, Body, Deadline, Due, Headers, Intent, Text};

use crate::exec::{self, Exec};
use crate::settings::Settings;
use crate::{Config, Trace};

/// One call, all but its body. Cheap to clone.
///
/// What a platform did not say is absent: a missing or malformed deadline or id never fails a call.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    call_id: Option<Text>,
    due: Due,
    /// What `due` says, once somebody asked.
    deadline: OnceLock<Option<Deadline>>,
    intent: Intent,
    method: Method,
    url: String,
    headers: Headers,
    settings: Arc<Settings>,
}

impl Context {
    pub(crate) fn new(arrival: Arrival, settings: Arc<Settings>) -> (Self, Body) {
        let Arrival { call_id, due, intent, method, url, headers, body } = arrival;
        let deadline = OnceLock::new();
        (Self(Arc::new(Inner { call_id, due, deadline, intent, method, url, headers, settings })), body)
    }

    /// The lines it came in, for the next call's to take their place; `None` where it came in
    /// none, or while the handler keeps a copy of this.
    pub(crate) fn into_lines(self) -> Option<Lines> {
        Arc::into_inner(self.0)?.headers.into_lines()
    }

    /// The platform's name for this call.
    #[must_use]
    pub fn call_id(&self) -> Option<&str> {
        self.0.call_id.as_deref()
    }

    /// When it must have ended. Shortly before, the handler is dropped and the answer is 504; see
    /// [`ENV_DEADLINE_EARLY_MS`](crate::ENV_DEADLINE_EARLY_MS).
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        *self.0.deadline.get_or_init(|| self.0.due.deadline(Instant::now(), SystemTime::now()))
    }

    /// What is left until the deadline, if there is one.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline().map(|deadline| deadline.left(Instant::now()))
    }

    /// How much of HTTP this call is about: see [`Context::method`] and [`crate::Reply::status`].
    #[must_use]
    pub fn intent(&self) -> Intent {
        self.0.intent
    }

    /// The caller's method on a gateway call, else `POST`.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// The caller's URL on a gateway call, absolute and with its query; elsewhere whatever the
    /// format tells, which may be nothing.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The call's headers; those of a gateway call are the HTTP caller's own, without their prefix.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// The first value of a header, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers.get(name)?.to_str().ok()
    }

    /// The body's content type.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        std::str::from_utf8(self.0.headers.first(&header::CONTENT_TYPE)?).ok()
    }

    /// The function's configuration: the whole environment as it was at the start.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.settings.config
    }

    /// The id of the app that this function belongs to.
    #[must_use]
    pub fn app_id(&self) -> Option<&str> {
        self.config().get("FN_APP_ID")
    }

    /// The name of the app that this function belongs to.
    #[must_use]
    pub fn app_name(&self) -> Option<&str> {
        self.config().get("FN_APP_NAME")
    }

    /// This function's id.
    #[must_use]
    pub fn fn_id(&self) -> Option<&str> {
        self.config().get("FN_FN_ID")
    }

    /// This function's name.
    #[must_use]
    pub fn fn_name(&self) -> Option<&str> {
        self.config().get("FN_FN_NAME")
    }

    /// The memory this function was promised, in MB.
    #[must_use]
    pub fn memory_mb(&self) -> Option<u64> {
        self.config().get("FN_MEMORY")?.parse().ok()
    }

    /// A program of the host, to be run by name, if the platform lets this function have it. It has what
    /// is left of this call's time.
    ///
    /// ```
    /// # async fn handler(ctx: hotfn_fdk::Context) -> Result<String, hotfn_fdk::ExecError> {
    /// let log = ctx.exec("git").args(["log", "--oneline", "-1"]).output().await?;
    /// # Ok(String::from_utf8_lossy(&log.stdout).into_owned())
    /// # }
    /// ```
    pub fn exec(&self, program: impl Into<OsString>) -> Exec {
        Exec::new(self.config().get(exec::ENV), self.call_id(), program.into())
    }

    /// The caller's place in a distributed trace, if the call carries one.
    #[must_use]
    pub fn trace(&self) -> Option<Trace> {
        Trace::read(&self.0.headers, self.0.settings.b3)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// What frames a call's output: the first value of a header, in the bytes it came with. The
    /// call's id, which many frame with, is no header any more by now.
    pub(crate) fn frame_value(&self, name: &HeaderName) -> Option<&[u8]> {
        match self.0.headers.get(name) {
            Some(value) => Some(value.as_bytes()),
            None if *name == FN_CALL_ID => self.call_id().map(str::as_bytes),
            None => None,
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment holds secrets: it is not part of what a log line shows.
        f.debug_struct("Context")
            .field("call_id", &self.0.call_id)
            .field("intent", &self.0.intent)
            .field("method", &self.0.method)
            .field("url", &self.0.url)
            .finish_non_exhaustive()
    }
}
