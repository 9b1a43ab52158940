//! What the program itself has to say, on standard error.

use std::fmt;
use std::io::Write as _;
use std::str::FromStr as _;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use clap::ValueEnum;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterFn, LevelFilter, ParseError};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::reload;

use crate::config::env;

/// How lines look.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    /// A JSON document a line.
    Json,
    /// For people.
    Text,
}

/// What a function prints: as events among ours, or as the bare lines they were.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FunctionLines {
    /// For a person who watches one function.
    Bare,
    /// For a node with many; seen at debug level.
    Events,
}

/// Starts logging, once for the process. `level` and `format` are the flags; beneath them count
/// `RUST_LOG`, then Fn's variables, then `quiet` and text.
///
/// # Errors
/// When one of them cannot be followed.
pub(crate) fn start(
    level: Option<&str>,
    format: Option<Format>,
    quiet: &str,
    lines: FunctionLines,
) -> anyhow::Result<()> {
    let named =
        || [env::process("RUST_LOG"), env::process(env::LOG_LEVEL)].into_iter().flatten().find(|l| !l.is_empty());
    let level = level.map(str::to_owned).or_else(named).unwrap_or_else(|| quiet.to_owned());
    let filter = filter(&level)
        .map_err(|e| anyhow::anyhow!("log level {level:?}: {e}; use error, warn, info, debug or trace"))?;
    let format = match (format, env::process(env::LOG_FORMAT).filter(|f| !f.is_empty())) {
        (Some(format), _) => format,
        (None, None) => Format::Text,
        (None, Some(name)) => Format::from_str(&name, true).map_err(|_| {
            anyhow::anyhow!("{}: {name:?} is not a format of log lines; use text or json", env::LOG_FORMAT)
        })?,
    };
    let (filter, handle) = reload::Layer::new(filter);
    let usual = level.clone();
    let _ = LEVEL.set(Level { now: Mutex::new(level), usual, set: Box::new(move |filter| handle.reload(filter)) });
    let subscriber = tracing_subscriber::registry();
    let fmt = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match (format, lines) {
        (Format::Json, _) => set(subscriber.with(fmt.json().flatten_event(true).with_filter(filter))),
        (Format::Text, FunctionLines::Events) => {
            set(subscriber.with(fmt.with_ansi(is_terminal()).with_target(false).with_filter(filter)))
        }
        (Format::Text, FunctionLines::Bare) => set(subscriber
            .with(
                fmt.with_ansi(is_terminal()).with_target(false).with_filter(filter).with_filter(FilterFn::new(is_ours)),
            )
            .with(
                BareLines
                    .with_filter(FilterFn::new(|metadata| !is_ours(metadata)).with_max_level_hint(LevelFilter::DEBUG)),
            )),
    }
    Ok(())
}

/// What is logged from now on.
struct Level {
    now: Mutex<String>,
    /// As it was when the process began.
    usual: String,
    set: Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>,
}

/// The process has one log.
static LEVEL: OnceLock<Level> = OnceLock::new();

/// What a second look at a running process shows.
const CLOSER: &str = "debug";

/// Why the level stays as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unchanged {
    /// It is none.
    #[error("{0:?} is no level; use error, warn, info, debug, trace or a filter such as hotfn=debug")]
    Unknown(String),
    /// Nothing is logged here.
    #[error("this process has no log")]
    NoLog,
}

/// The least important level that is logged, or the filter.
pub(crate) fn level() -> Option<String> {
    LEVEL.get().map(|level| level.now().clone())
}

/// Logs from now on what `text` says.
///
/// # Errors
/// When it is no level.
pub(crate) fn set_level(text: &str) -> Result<(), Unchanged> {
    let filter = filter(text).map_err(|_| Unchanged::Unknown(text.to_owned()))?;
    let level = LEVEL.get().ok_or(Unchanged::NoLog)?;
    let mut now = level.now();
    (level.set)(filter).map_err(|_| Unchanged::NoLog)?;
    text.clone_into(&mut now);
    drop(now);
    // At a level that is nearly always shown: who reads the log should see why it changes.
    tracing::warn!(level = text, "what is logged changes");
    Ok(())
}

/// Logs more from now on, or again as when the process began.
pub(crate) fn toggle_level() {
    let Some(level) = LEVEL.get() else { return };
    let next = if *level.now() == level.usual { CLOSER } else { &level.usual };
    if let Err(e) = set_level(next) {
        tracing::warn!("the log stays as it is: {e}");
    }
}

impl Level {
    fn now(&self) -> MutexGuard<'_, String> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn set(subscriber: impl Subscriber + Send + Sync) {
    // A second start can only come from a test in the same process; the first one stands.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Also takes the names of levels that only Fn has. A word alone has to be a level: to the filter it could
/// also be the name of a part of a program, and a misspelt level would then silence everything.
fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    let text = match text {
        "fatal" | "panic" => "error",
        "warning" => "warn",
        other => other,
    };
    for word in text.split(',').map(str::trim).filter(|word| !word.contains(['=', '['])) {
        LevelFilter::from_str(word).map_err(ParseError::from)?;
    }
    EnvFilter::try_new(text)
}

fn is_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr())
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target() != hotfn::log::TARGET
}

struct BareLines;

impl<S: Subscriber> Layer<S> for BareLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Message::default();
        event.record(&mut line);
        // Nobody is left to be told that standard error is gone.
        let _ = writeln!(std::io::stderr().lock(), "{}", line.0);
    }
}

/// An event's message, without its fields.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_level_and_a_filter_names_what_it_is_for() {
        let check = |text: &str, is_one: bool| assert_eq!(filter(text).is_ok(), is_one, "{text}");
        for level in
            ["error", "warning", "warn", "INFO", "debug", "trace", "off", "panic", "info,hotfn::function=debug"]
        {
            check(level, true);
        }
        for wrong in ["verbose", "debgu", "info,hotfn", "hotfn=loud"] {
            check(wrong, false);
        }
    }
}
