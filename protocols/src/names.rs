//! The names on the wire, once.

use http::HeaderName;

macro_rules! headers {
    ($( $(#[$doc:meta])* $name:ident = $text:literal; )*) => {
        $( $(#[$doc])* pub const $name: HeaderName = HeaderName::from_static($text); )*
    };
}

headers! {
    /// Whose fault a failed call was: `caller`, `function` or `platform`.
    FN_BLAME = "fn-blame";
    /// The call's id, made by the platform.
    FN_CALL_ID = "fn-call-id";
    /// When the call must have ended, RFC 3339.
    FN_DEADLINE = "fn-deadline";
    /// Which FDK answered: `fdk-<language>/<version>`.
    FN_FDK_VERSION = "fn-fdk-version";
    /// Which runtime it runs on: `<language>/<version>`.
    FN_FDK_RUNTIME = "fn-fdk-runtime";
    /// A gateway call's method.
    FN_HTTP_METHOD = "fn-http-method";
    /// A gateway call's URL, absolute.
    FN_HTTP_REQUEST_URL = "fn-http-request-url";
    /// A gateway answer's status.
    FN_HTTP_STATUS = "fn-http-status";
    /// `httprequest` for a gateway call.
    FN_INTENT = "fn-intent";
    /// `detached` for a call whose caller does not wait.
    FN_INVOKE_TYPE = "fn-invoke-type";
    /// Where a call's time went.
    SERVER_TIMING = "server-timing";
}

/// What a gateway call's and answer's own headers are prefixed with, in lower case.
pub const FN_HTTP_H: &str = "fn-http-h-";

/// The value of `Fn-Intent` on a gateway call.
pub const INTENT_GATEWAY: &str = "httprequest";

/// The environment variable that names the format.
pub const ENV_FORMAT: &str = "FN_FORMAT";
/// The environment variable that names the socket, `unix:` and an absolute path.
pub const ENV_LISTENER: &str = "FN_LISTENER";
