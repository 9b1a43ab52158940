//! One call, as it travels from a front to a function.

use http::Method;

use crate::{Body, CallId, Deadline, Due, FunctionId, Headers, Text};

/// What the caller meant, which decides how much of HTTP the function sees.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Intent {
    /// An HTTP request whose method, URL and headers are for the function's eyes, and whose
    /// answer's status and headers are the function's to choose: a trigger.
    Gateway,
    /// A plain call: headers in, headers out, and success is 200.
    #[default]
    Invoke,
}

/// One call to one function.
#[derive(Debug)]
pub struct Call {
    /// Made where the call entered; the caller cannot choose it.
    pub id: CallId,
    /// Whom it is for.
    pub function: FunctionId,
    /// How much of HTTP the function sees.
    pub intent: Intent,
    /// The caller's method.
    pub method: Method,
    /// The caller's URL: absolute for what came over HTTP, a path otherwise.
    pub url: String,
    /// The caller's headers as they came, hop-by-hop ones included: which of them pass is the
    /// format's rule.
    pub headers: Headers,
    /// The caller's bytes.
    pub body: Body,
    /// The moment it must have ended. `None` until it holds a slot: the function's timeout starts
    /// then. What a caller sets earlier stays an upper bound.
    pub deadline: Option<Deadline>,
}

impl Call {
    /// A plain call of `function` with `body`: `POST /`, no headers, a new id.
    pub fn new(function: impl Into<FunctionId>, body: impl Into<Body>) -> Self {
        Self {
            id: CallId::new(),
            function: function.into(),
            intent: Intent::Invoke,
            method: Method::POST,
            url: "/".to_owned(),
            headers: Headers::default(),
            body: body.into(),
            deadline: None,
        }
    }
}

/// A call as it arrives at the function's end of a wire. What a peer did not send, or sent in a way
/// that cannot be read, is absent: that never fails a call.
#[derive(Debug, Default)]
pub struct Arrival {
    /// The platform's name for it.
    pub call_id: Option<Text>,
    /// When it must have ended.
    pub due: Due,
    /// How much of HTTP the function sees.
    pub intent: Intent,
    /// The caller's method; `POST` for a plain call.
    pub method: Method,
    /// The caller's URL, empty if unknown.
    pub url: String,
    /// The caller's headers, those of a gateway call without their prefix.
    pub headers: Headers,
    /// The caller's bytes.
    pub body: Body,
}
