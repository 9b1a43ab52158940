//! Is your function, or your agent, well behaved?
//!
//! Fn's contract is spoken by peers in a dozen languages and is written down nowhere that a machine
//! could check. This crate checks it: every sentence of the contract that can be broken is a
//! [`Case`] with a number, and running them against a subject gives a [`Report`] that its author
//! can act on: what was sent, what came back, and what is wrong with it.
//!
//! ```no_run
//! use hotfn_conformance::{Function, Level, Profile, Program, Suite};
//!
//! let program = Program::Command(vec!["./my-function".into()]);
//! let function = Function { program, format: "http-stream".parse().unwrap() };
//! let report = Suite::of_function(function, Profile::Quick, 7).run(&|_| ());
//! assert!(report.keeps(Level::Should), "{}", report.to_text());
//! ```
//!
//! The harness plays the other side. For a function it is the agent: it makes the directory, arms a
//! watch, starts the program, and speaks to its socket or its standard input byte by byte. A tested
//! function needs to do a few things on demand, which `docs/conformance/function.md` describes. For an
//! agent it is both the client in front and the function behind: [`witness`]. Where a case needs an agent
//! with settings of its own, or images from a registry that is slow, the harness starts the one and is the
//! other.
//!
//! In the order to read it: [`Case`] and the tables of them (`fdk`, `stdio`, `agent` with `agent::formats`), [`Suite`] that runs
//! them, [`Report`] and how it is shown, and below these what the cases stand on: `function` (a
//! process, its directory and its output) and `wire` (HTTP that can also be wrong).
//!
//! Everything blocks and has threads: a harness that looks for races has no use for a scheduler of
//! its own between the wire and its clock. It knows the formats and nothing of our agent's insides.
//! Absent on purpose: load, which is a benchmark's; and cases that depend on luck.

mod agent;
mod bounds;
mod case;
mod check;
mod fdk;
mod function;
mod only;
mod random;
mod registry;
mod report;
mod stage;
mod stdio;
mod subject;
mod suite;
mod transcript;
mod wire;
mod witness;

pub use case::{Case, Level};
pub use function::interrupt;
pub use only::{NoChoice, Only};
pub use report::{Form, LeftOut, Outcome, Report, UnknownForm, Verdict};
pub use subject::{Agent, Command, Function, Place, Profile, Program, UnknownProfile, Witness};
pub use suite::Suite;
pub use transcript::{Line, Voice};
pub use witness::witness;
