//! Host commands over signed HTTP: whoever holds a key has a command run on this host.
//!
//! Functions live in containers and sometimes need something done outside of them. This front takes
//! over the platform's own service for that, byte for byte where its clients can tell: a request is
//! signed, is good once and for a minute, and its command line goes to a shell. What is asked for is
//! no call of a function and has no deadline of one: a caller who leaves ends nothing, the command
//! goes on, and its outcome can be sent back, looked up or followed.
//!
//! In the order a request walks:
//!
//! * [`bind`] and [`listen`] accept connections, `connection` takes requests off one, `route` says
//!   what one is about, [`service`] does it.
//! * `gate` lets in what is signed ([`signature`]), timely and new (`nonce`), and shuts out who
//!   guesses (`lockout`).
//! * `intake` takes the body in, `request` reads what is asked for, `policy` says what of it may run
//!   and how, with a clean `environment`; from a list, without a shell, it takes plain `words`.
//! * `crew` takes it on: `book` has a slot for it, `job` is what everybody may know of it, `run`
//!   follows it to its end and keeps of its output what `capture` keeps.
//! * [`server`] is all of it; `install` puts it on a machine. [`Commands`] is another way in, for the
//!   node's own fronts.
//! * `answer` tells it, `stream` tells it while it runs, `callback` tells it later, [`Tally`] counts.
//!
//! Everything that a stranger can make us hold is bounded, and so is what a caller can, by
//! [`config::Bounds`]. The machines (`gate`, `nonce`, `lockout`, `capture`, `book`) take the time as
//! an argument and do no I/O.
//!
//! Absent on purpose: TLS and HTTP/2 (a proxy's work), and privileges: a command can do what the
//! service's user can.

mod answer;
pub mod bind;
mod book;
mod call;
mod callback;
mod capture;
pub mod config;
mod connection;
mod crew;
mod environment;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod hex;
pub(crate) mod install;
mod intake;
mod job;
pub mod listen;
mod lockout;
mod nonce;
mod peer;
mod policy;
mod refusal;
mod request;
mod route;
mod run;
pub mod server;
pub mod service;
pub mod signature;
mod stream;
mod tally;
mod words;

pub use self::call::Commands;
pub(crate) use self::callback::nonce;
pub use self::callback::{Directory, Functions};
pub use self::config::{Bounds, CallbackFields, Caller, Config, Key, Listed, Mode, Privileges, Strays};
pub use self::peer::{Network, Peer};
pub use self::refusal::Reason;
pub use self::server::{Server, Settings};
pub use self::service::{Means, Service};
pub use self::signature::{Algorithm, Secret, Statement};
pub use self::tally::Tally;
