//! A call that did not end well: what happened, whose fault it was, may it be tried again.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::Timing;

/// Whose doing a fault was.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Blame {
    /// Whoever made the call.
    Caller,
    /// The function, or its container's image.
    Function,
    /// This node, or what it stands on.
    Platform,
}

impl Blame {
    /// The word for it in headers, bodies and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Function => "function",
            Self::Platform => "platform",
        }
    }
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// May the same call be made again?
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Retry {
    /// After this long.
    After(Duration),
    /// It would end the same way.
    Never,
    /// At once; the next try meets another container.
    Now,
}

macro_rules! kinds {
    ($( $(#[$doc:meta])* $name:ident = $code:literal, $blame:ident, $message:literal; )*) => {
        /// What happened. Each kind has a stable code, a culprit and a short sentence.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum Kind { $( $(#[$doc])* $name, )* }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$( Self::$name ),*];

            /// The stable word for it, `snake_case`.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $( Self::$name => $code, )* }
            }

            /// Whose doing it is.
            #[must_use]
            pub fn blame(self) -> Blame {
                match self { $( Self::$name => Blame::$blame, )* }
            }

            /// The short sentence the caller gets, the same each time.
            #[must_use]
            pub fn message(self) -> &'static str {
                match self { $( Self::$name => $message, )* }
            }
        }
    };
}

kinds! {
    /// The function needs more memory or CPU than the whole node has.
    BeyondNode = "beyond_node", Caller, "function needs more than this node could ever give";
    /// The queue is full, the wait limit has passed, or the node has no room left.
    Busy = "busy", Platform, "Timed out - server too busy";
    /// The caller went away; nobody reads this.
    CallerLeft = "caller_left", Caller, "caller went away";
    /// The request's body broke off.
    CallCut = "call_cut", Caller, "request body was cut";
    /// The request's body kept us waiting for too long.
    CallSlow = "call_slow", Caller, "request body came too slowly";
    /// The format cannot carry this body.
    CallUnsupported = "call_unsupported", Caller, "request body cannot be carried by this function's format";
    /// The node is going down.
    Draining = "draining", Platform, "Timed out - server too busy";
    /// A cold function's process ended with a status other than 0.
    Exited = "exited", Function, "container exit code is not 0";
    /// The function said 502: its own code failed.
    Failed = "function_failed", Function, "function failed";
    /// The function's image is one that this node was told not to take.
    ImageBarred = "image_barred", Caller, "Image not permitted";
    /// The container was not ready: it ended early, or its socket is not one we may use.
    InitFailed = "init_failed", Function, "Container failed to initialize";
    /// The socket did not appear in time.
    InitTimeout = "init_timeout", Function, "Container initialization timed out, please ensure you are using the latest fdk and check the logs";
    /// What should have been the answer's bytes is not of the format.
    InvalidFrame = "invalid_response_frame", Function, "invalid response from function";
    /// The function answered with a status that means nothing to an agent.
    InvalidResponse = "invalid_response", Function, "invalid function response";
    /// The function was killed for using too much memory.
    OutOfMemory = "out_of_memory", Function, "function ran out of memory";
    /// Something of ours broke.
    Internal = "internal", Platform, "internal server error";
    /// The function's image could not be fetched.
    PullFailed = "pull_failed", Function, "Failed to pull image";
    /// Fetching the function's image took too long.
    PullTimeout = "pull_timeout", Function, "Timed out pulling image";
    /// The function was called more often than it may be.
    RateLimited = "rate_limited", Caller, "Too many calls";
    /// The connection to the function was lost before or within its answer.
    Receiving = "receiving_response", Function, "error receiving function response";
    /// The request is larger than the bound.
    RequestTooLarge = "request_too_large", Caller, "request body is too large";
    /// The answer's body is larger than the bound.
    ResponseTooLarge = "response_too_large", Function, "function response body too large";
    /// The answer's headers are larger than the bound.
    ResponseHeadersTooLarge = "response_headers_too_large", Function, "function response header too large";
    /// The deadline passed, or the function said 504.
    TimedOut = "timed_out", Function, "Timed out";
    /// Nobody here goes by that name.
    UnknownFunction = "unknown_function", Caller, "Function not found";
}

/// A call that did not end well.
///
/// The caller gets the kind's code, message and [`reason`](Self::reason); the log gets the chain
/// behind [`Error::source`] too.
pub struct Fault(Box<Inner>);

struct Inner {
    kind: Kind,
    reason: Option<String>,
    retry: Retry,
    refusal: Option<u16>,
    source: Option<Box<dyn Error + Send + Sync>>,
    timing: Timing,
}

impl Fault {
    /// A fault with nothing more to say.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        let retry = match kind {
            Kind::Busy | Kind::Draining => Retry::After(RETRY_AFTER),
            Kind::InitFailed
            | Kind::InitTimeout
            | Kind::Internal
            | Kind::PullFailed
            | Kind::PullTimeout
            | Kind::Receiving => Retry::Now,
            _ => Retry::Never,
        };
        Self(Box::new(Inner { kind, reason: None, retry, refusal: None, source: None, timing: Timing::default() }))
    }

    /// Adds what exactly happened: one sentence that names the thing and its value, fit for the
    /// caller's eyes.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.0.reason = Some(reason.into());
        self
    }

    /// Adds one more thing that is known, after the reason there may be.
    #[must_use]
    pub fn and(mut self, more: impl Into<String>) -> Self {
        let more = more.into();
        self.0.reason = Some(match self.0.reason.take() {
            Some(reason) => format!("{reason}; {more}"),
            None => more,
        });
        self
    }

    /// Adds the HTTP status with which somebody else, such as a registry, refused what was needed.
    /// If it is one of the 400s, the same request will be refused again.
    #[must_use]
    pub fn refused_with(mut self, status: u16) -> Self {
        self.0.refusal = Some(status);
        if (400..500).contains(&status) {
            self.0.retry = Retry::Never;
        }
        self
    }

    /// Adds the cause, for the log.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds where the time went.
    #[must_use]
    pub fn timed(mut self, timing: Timing) -> Self {
        self.0.timing = timing;
        self
    }

    /// Says when the same call may be made again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry = Retry::After(wait);
        self
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Whose doing it was.
    #[must_use]
    pub fn blame(&self) -> Blame {
        self.0.kind.blame()
    }

    /// The HTTP status with which somebody else refused what was needed.
    #[must_use]
    pub fn refusal(&self) -> Option<u16> {
        self.0.refusal
    }

    /// May the call be made again?
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// What exactly happened, where that is known.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// Where the time went before it failed.
    #[must_use]
    pub fn timing(&self) -> Timing {
        self.0.timing
    }
}

/// What a caller who met a full or closing node is told to wait.
pub const RETRY_AFTER: Duration = Duration::from_secs(15);

impl From<Kind> for Fault {
    fn from(kind: Kind) -> Self {
        Self::new(kind)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("kind", &self.0.kind)
            .field("reason", &self.0.reason)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind.message())?;
        match &self.0.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_ref().map(|e| &**e as &(dyn Error + 'static))
    }
}
