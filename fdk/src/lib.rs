//! Write a function in Rust: a handler, served to any platform that speaks Fn's contract.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use hotfn_fdk::{BoxError, Context, Json};
//!
//! #[derive(serde::Deserialize)]
//! struct Person {
//!     name: String,
//! }
//!
//! async fn greet(_: Context, Json(person): Json<Person>) -> Result<String, BoxError> {
//!     Ok(format!("Hello {}", person.name))
//! }
//!
//! fn main() -> ExitCode {
//!     hotfn_fdk::main(greet)
//! }
//! ```
//!
//! A handler is an async fn of a [`Context`] and of the body made into something ([`FromCall`]:
//! bytes, text, [`Json`], a stream); it gives something that becomes an answer ([`IntoReply`]), or
//! an error. An axum `Router`, or any other service of HTTP requests, is a function too:
//! [`http()`].
//!
//! # What this crate sees to
//!
//! * All five formats, by the environment variable `FN_FORMAT`; see [`serve`].
//! * Errors and panics answer 502 and are printed, and the process lives. A handler that is still
//!   at work shortly before its deadline is dropped, and the answer is 504. A caller who leaves
//!   takes the handler along. Dropping is how an async fn is cancelled: at an `.await`. One that
//!   blocks its thread, or hands work to another, is not stopped by it.
//! * SIGTERM finishes the calls in flight, runs [`Function::on_shutdown`] and removes the socket,
//!   all within a known budget: [`ENV_SHUTDOWN_MS`].
//! * With a subscriber of `tracing`, each call runs in a span `call` with its id and its place in
//!   the caller's trace.
//! * Unit tests of handlers need nothing else: [`testing`].
//!
//! In the formats that talk over standard output, `println!` goes to the log like `eprintln!`: it
//! cannot break an answer.
//!
//! Absent on purpose: threads (bring your own runtime and use [`serve`] if one core is not enough),
//! and limits on the answer, which are the platform's.

mod context;
mod exec;
mod function;
mod http_stream;
mod input;
mod json;
mod output;
mod report;
mod service;
mod settings;
mod shutdown;
mod signature;
mod stdio;
pub mod testing;
mod trace;
mod turn;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

pub use hotfn_protocols::{Body, BodyError, Deadline, Intent};

pub use context::Context;
pub use exec::{Exec, ExecError, OUTPUT_BYTES_MAX, Output};
pub use function::{Function, IntoFunction, function};
pub use input::{FromCall, InputError};
pub use json::Json;
pub use output::{IntoReply, Reply, stream};
pub use service::http;
pub use settings::{
    Config, ENV_DEADLINE_EARLY_MS, ENV_INPUT_BYTES_MAX, ENV_LOGFRAME_HDR, ENV_LOGFRAME_NAME, ENV_SHUTDOWN_MS,
    ENV_TRACING, StartError,
};
pub use trace::Trace;

use settings::{Door, Settings};

/// Any error, as handlers may return it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Threads for blocking work. Platforms allow a container few processes, threads included: 50.
const BLOCKING_THREADS_MAX: usize = 16;

/// Serves calls on this thread until the platform ends the function: a program's whole `main`.
///
/// What must be ready before the first call, such as a connection to a database, is best made
/// before: the platform learns that the function is there only by this. State lives in the
/// handler, as a closure that clones an `Arc`.
pub fn main<Shape>(function: impl IntoFunction<Shape>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
        .map_err(StartError::Runtime);
    let served = runtime.and_then(|runtime| {
        let served = runtime.block_on(serve(function));
        // Blocking work that is still under way must not hold the process up.
        runtime.shutdown_background();
        served
    });
    match served {
        Ok(code) => code,
        Err(e) => {
            report::say(&format!("cannot serve: {}", report::chain(&e)));
            ExitCode::FAILURE
        }
    }
}

/// Serves calls until the platform ends the function, on the runtime of the caller.
///
/// The format is what `FN_FORMAT` says. If it is absent or empty: `http-stream` when `FN_LISTENER`
/// is set, else `default`. Over `http-stream` many calls are served at once; over the others one
/// after another, and over `default` just one.
///
/// The function ends by SIGTERM or SIGINT, and in the formats over standard input also at its end.
/// The code is 0, but 1 for a call over `default` that failed, which has no other way to tell.
///
/// # Errors
/// When the environment asks for what cannot be done; the message names the variable.
pub async fn serve<Shape>(function: impl IntoFunction<Shape>) -> Result<ExitCode, StartError> {
    let settings = Settings::from_process()?;
    let door = settings.door()?;
    let (function, settings) = (Arc::new(function.into_function()), Arc::new(settings));
    let asked = shutdown::Asked::new()?;
    match door {
        Door::HttpStream(path) => http_stream::serve(function, settings, &path, asked).await?,
        Door::CloudEvent => stdio::serve_cloudevent(function, settings, asked).await?,
        Door::Default => return stdio::serve_default(function, settings, asked).await,
        Door::Http => stdio::serve_http(function, settings, asked).await?,
        Door::Json => stdio::serve_json(function, settings, asked).await?,
    }
    Ok(ExitCode::SUCCESS)
}
