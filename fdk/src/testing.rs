//! Call a function in a unit test: no socket, no process, the same rules.
//!
//! ```
//! use hotfn_fdk::{Context, Json, testing::Call};
//!
//! async fn double(_: Context, Json(n): Json<u32>) -> Result<Json<u32>, hotfn_fdk::BoxError> {
//!     Ok(Json(n * 2))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let answer = Call::new().body("21").send(double).await;
//! assert_eq!(answer.json::<u32>(), 42);
//!
//! let answer = Call::new().body("many").send(double).await;
//! assert_eq!(answer.status, 502);
//! assert_eq!(answer.text(), "body is not the expected JSON");
//! # }
//! ```

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::de::DeserializeOwned;

use hotfn_protocols::{Arrival, Body, CallId, Deadline, Due, Intent, gateway};

use crate::settings::Settings;
use crate::turn::{Wanted, turn};
use crate::{Config, Context, IntoFunction};

/// A call to be made, as a platform would make it.
#[derive(Debug)]
#[must_use = "a call does nothing until it is sent"]
pub struct Call {
    arrival: Arrival,
    config: Vec<(String, String)>,
}

/// What the caller gets to see.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// 200 for every success of a plain call, as over `http-stream`; the handler's own status on a
    /// gateway call; 502 for an error or a panic, 504 for a deadline missed.
    pub status: StatusCode,
    /// The answer's headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Most bytes of an answer that a test may look at.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

impl Call {
    /// A plain call without headers, body, deadline or configuration.
    pub fn new() -> Self {
        let arrival = Arrival { call_id: Some(CallId::new().to_string().into()), ..Arrival::default() };
        Self { arrival: Arrival { method: Method::POST, ..arrival }, config: Vec::new() }
    }

    /// Makes it a gateway call: an HTTP request of this method and absolute URL.
    ///
    /// # Panics
    /// When `method` is none.
    pub fn gateway(mut self, method: &str, url: &str) -> Self {
        self.arrival.intent = Intent::Gateway;
        self.arrival.method = method.parse().expect("the test names a method");
        self.arrival.url = url.to_owned();
        self
    }

    /// Adds a header.
    ///
    /// # Panics
    /// When name or value is none.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("the test names a header");
        self.arrival.headers.append(name, HeaderValue::from_str(value).expect("the test gives a header's value"));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.arrival.body = body.into();
        self
    }

    /// Sets a variable of the function's environment; of the real one nothing is there.
    pub fn config(mut self, name: &str, value: &str) -> Self {
        self.config.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the time that the call may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.arrival.due = Due::At(Deadline::after(timeout));
        self
    }

    /// Makes the call and waits for the whole answer.
    ///
    /// # Panics
    /// When the configuration is not one a function would start with, or an answer's stream breaks
    /// off.
    pub async fn send<Shape>(self, function: impl IntoFunction<Shape>) -> Answer {
        let settings = Settings::new(Config::from_iter(self.config)).expect("the test configures what can be obeyed");
        let intent = self.arrival.intent;
        let (ctx, body) = Context::new(self.arrival, Arc::new(settings));
        let outcome = turn(&function.into_function(), &ctx, body, Wanted::Streamed).await;
        let plain_success = outcome.is_answer() && intent == Intent::Invoke;
        let mut reply = outcome.into_reply();
        let mut headers = reply.take_headers();
        gateway::strip_answer(&mut headers);
        Answer {
            status: if plain_success { StatusCode::OK } else { reply.status },
            headers,
            body: reply.body.gather(ANSWER_BYTES_MAX).await.expect("the answer is whole"),
        }
    }
}

impl Default for Call {
    fn default() -> Self {
        Self::new()
    }
}

impl Answer {
    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the answer is text")
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not, or not of that shape.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(e) => panic!("the answer {:?} (status {}) is not JSON of that shape: {e}", self.body, self.status),
        }
    }
}
