//! What the program itself has to say, on standard error.

use std::fmt;
use std::io::Write as _;

use clap::ValueEnum;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterFn, LevelFilter, ParseError};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

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

fn set(subscriber: impl Subscriber + Send + Sync) {
    // A second start can only come from a test in the same process; the first one stands.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Also takes the names of levels that only Fn has.
fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(match text {
        "fatal" | "panic" => "error",
        "warning" => "warn",
        other => other,
    })
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
