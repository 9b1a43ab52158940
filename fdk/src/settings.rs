//! What the environment asks of a function, read once and checked before anything else happens.
//!
//! Whoever starts a function speaks to it through variables. The ones this crate obeys become the
//! fields of [`Settings`]; the whole of them is the function's [`Config`], from which nothing is
//! held back. A value that cannot be obeyed ends the process with a sentence that names it, for a
//! function that listens at the wrong place only shows as a start that timed out.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;

use hotfn_protocols::names::{ENV_FORMAT, ENV_LISTENER};
use hotfn_protocols::{Format, UnknownFormat};

/// How long before its deadline a call is given up, so that the answer 504 still arrives in time
/// and the container lives. In milliseconds; default 50.
pub const ENV_DEADLINE_EARLY_MS: &str = "FN_DEADLINE_EARLY_MS";

/// Most bytes of a call's body that are held in memory, for handlers that take it whole. Beyond it
/// the call fails; a handler that takes a stream has no such bound. Default 32 MiB.
pub const ENV_INPUT_BYTES_MAX: &str = "FN_INPUT_BYTES_MAX";

/// How long a function may take to end after SIGTERM: calls in flight and its shutdown hook
/// together. In milliseconds; default 1000.
pub const ENV_SHUTDOWN_MS: &str = "FN_SHUTDOWN_MS";

/// With [`ENV_LOGFRAME_HDR`]: the name in the line that frames a call's output.
pub const ENV_LOGFRAME_NAME: &str = "FN_LOGFRAME_NAME";

/// With [`ENV_LOGFRAME_NAME`]: the request header whose value frames a call's output.
pub const ENV_LOGFRAME_HDR: &str = "FN_LOGFRAME_HDR";

/// `0` to ignore B3 tracing headers.
pub const ENV_TRACING: &str = "OCI_TRACING_ENABLED";

const DEADLINE_EARLY: Duration = Duration::from_millis(50);
const INPUT_BYTES_MAX: u64 = 32 << 20;
/// A longer one means for ever, and clocks can still add it.
const DURATION_MAX: Duration = Duration::from_hours(24);
const SHUTDOWN: Duration = Duration::from_millis(1000);

/// A function's environment as it was at the start: every variable, nothing left out.
///
/// What is not UTF-8 is there with its odd bytes replaced.
#[derive(Clone, Debug, Default)]
pub struct Config(BTreeMap<String, String>);

impl Config {
    /// The variable's value, if it is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All variables, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The variable's value, unless it is absent or empty: the two mean the same in Fn.
    fn given(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    fn number(&self, name: &'static str) -> Result<Option<u64>, StartError> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let number = value.parse();
        number.map(Some).map_err(|_| StartError::NotANumber { name, value: value.to_owned() })
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Config {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(vars: I) -> Self {
        Self(vars.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// Where calls come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Door {
    CloudEvent,
    Default,
    Http,
    HttpStream(PathBuf),
    Json,
}

/// The line that frames a call's output in the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct LogFrame {
    pub(crate) name: String,
    pub(crate) header: HeaderName,
}

/// The environment, understood.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The whole of it.
    pub(crate) config: Config,
    /// See [`ENV_DEADLINE_EARLY_MS`].
    pub(crate) deadline_early: Duration,
    /// See [`ENV_INPUT_BYTES_MAX`].
    pub(crate) input_bytes_max: u64,
    /// See [`ENV_LOGFRAME_NAME`].
    pub(crate) log_frame: Option<LogFrame>,
    /// See [`ENV_SHUTDOWN_MS`].
    pub(crate) shutdown: Duration,
    /// See [`ENV_TRACING`].
    pub(crate) b3: bool,
}

impl Settings {
    /// Reads this process's environment.
    pub(crate) fn from_process() -> Result<Self, StartError> {
        let lossy = |text: OsString| text.to_string_lossy().into_owned();
        Self::new(std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value))).collect())
    }

    /// Understands an environment.
    pub(crate) fn new(config: Config) -> Result<Self, StartError> {
        let millis = |name| Ok(config.number(name)?.map(|millis| Duration::from_millis(millis).min(DURATION_MAX)));
        Ok(Self {
            deadline_early: millis(ENV_DEADLINE_EARLY_MS)?.unwrap_or(DEADLINE_EARLY),
            input_bytes_max: config.number(ENV_INPUT_BYTES_MAX)?.unwrap_or(INPUT_BYTES_MAX),
            log_frame: log_frame(&config)?,
            shutdown: millis(ENV_SHUTDOWN_MS)?.unwrap_or(SHUTDOWN),
            b3: config.get(ENV_TRACING) != Some("0"),
            config,
        })
    }

    /// Where calls come from. Without a format a listener means `http-stream`, else it is
    /// `default`, so that a function can be tried in a shell.
    pub(crate) fn door(&self) -> Result<Door, StartError> {
        let listener = self.config.given(ENV_LISTENER);
        let format = match self.config.given(ENV_FORMAT) {
            Some(name) => name.parse().map_err(StartError::UnknownFormat)?,
            None if listener.is_some() => Format::HttpStream,
            None => Format::Default,
        };
        Ok(match format {
            Format::CloudEvent => Door::CloudEvent,
            Format::Default => Door::Default,
            Format::Http => Door::Http,
            Format::HttpStream => Door::HttpStream(socket_path(listener)?),
            Format::Json => Door::Json,
        })
    }
}

fn socket_path(listener: Option<&str>) -> Result<PathBuf, StartError> {
    let listener = listener.ok_or(StartError::NoListener)?;
    match listener.strip_prefix("unix:").map(PathBuf::from) {
        Some(path) if path.is_absolute() && path.file_name().is_some() => Ok(path),
        _ => Err(StartError::BadListener(listener.to_owned())),
    }
}

fn log_frame(config: &Config) -> Result<Option<LogFrame>, StartError> {
    let (Some(name), Some(header)) = (config.given(ENV_LOGFRAME_NAME), config.given(ENV_LOGFRAME_HDR)) else {
        return Ok(None);
    };
    let header = header.parse().map_err(|_| StartError::BadLogFrameHeader(header.to_owned()))?;
    Ok(Some(LogFrame { name: name.to_owned(), header }))
}

/// Why a function could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The listener is not a unix socket's absolute path.
    #[error("FN_LISTENER is {0:?}; it must be unix: and an absolute path, such as unix:/tmp/iofs/lsnr.sock")]
    BadListener(String),
    /// The framing header is none.
    #[error("FN_LOGFRAME_HDR is {0:?}; it must be the name of a request header, such as Fn-Call-Id")]
    BadLogFrameHeader(String),
    /// The format needs a listener.
    #[error(
        "FN_LISTENER is not set; FN_FORMAT http-stream needs it to be unix: and an absolute path, such as unix:/tmp/iofs/lsnr.sock"
    )]
    NoListener,
    /// A bound is not a number.
    #[error("{name} is {value:?}; it must be a whole number")]
    NotANumber {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
    },
    /// The socket could not be made.
    #[error("cannot listen at FN_LISTENER {path:?}: is its directory there and writable?")]
    Listen {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no runtime to be had.
    #[error("cannot start the runtime")]
    Runtime(#[source] std::io::Error),
    /// Signals cannot be waited for.
    #[error("cannot wait for SIGTERM")]
    Signals(#[source] std::io::Error),
    /// Standard input and output cannot be taken.
    #[error("cannot take standard input and output for calls: are they open?")]
    Stdio(#[source] std::io::Error),
    /// The format is none of the five.
    #[error("FN_FORMAT: {0}")]
    UnknownFormat(#[source] UnknownFormat),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(vars: &[(&str, &str)]) -> Result<Door, String> {
        let settings = Settings::new(vars.iter().copied().collect()).map_err(|e| e.to_string())?;
        settings.door().map_err(|e| e.to_string())
    }

    #[test]
    fn the_format_decides_the_door() {
        let lsnr = ("FN_LISTENER", "unix:/x/y.sock");
        let socket = Ok(Door::HttpStream("/x/y.sock".into()));
        assert_eq!(door(&[]), Ok(Door::Default));
        assert_eq!(door(&[lsnr]), socket);
        assert_eq!(door(&[("FN_FORMAT", ""), lsnr]), socket);
        assert_eq!(door(&[("FN_FORMAT", "http-stream"), lsnr]), socket);
        assert_eq!(door(&[("FN_FORMAT", "http"), lsnr]), Ok(Door::Http));
        assert_eq!(door(&[("FN_FORMAT", "json")]), Ok(Door::Json));
        assert_eq!(door(&[("FN_FORMAT", "cloudevent")]), Ok(Door::CloudEvent));
    }

    #[test]
    fn what_cannot_be_obeyed_is_named_with_its_value() {
        let check = |vars: &[(&str, &str)], words: &[&str]| {
            let e = door(vars).unwrap_err();
            assert!(words.iter().all(|word| e.contains(word)), "{e}");
        };
        check(&[("FN_FORMAT", "grpc")], &["FN_FORMAT", "\"grpc\"", "http-stream"]);
        check(&[("FN_FORMAT", "http-stream")], &["FN_LISTENER", "not set", "unix:"]);
        for bad in ["tcp:127.0.0.1:80", "/x/y.sock", "unix:y.sock", "unix:", "unix:/"] {
            check(&[("FN_LISTENER", bad)], &["FN_LISTENER", &format!("{bad:?}"), "unix:"]);
        }
        check(&[("FN_SHUTDOWN_MS", "soon")], &["FN_SHUTDOWN_MS", "\"soon\"", "number"]);
        check(&[("FN_LOGFRAME_NAME", "n"), ("FN_LOGFRAME_HDR", "a b")], &["FN_LOGFRAME_HDR", "\"a b\""]);
    }
}
