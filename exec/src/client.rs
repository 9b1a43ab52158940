//! Running a program of another container as if it were here.
//!
//! A program that asks for another one hands over its own standard streams and waits: signals that it
//! gets it passes on, and it ends as the other one ended. Where both its input and its output are a
//! terminal, the other side makes a terminal of its own, so that job control works there, and the two
//! are connected here: keys one way, text the other, the size whenever it changes.
//!
//! This half of the room blocks, has one thread and no runtime: it is what the small static program
//! `hotfn-exec` consists of, which is put into images that nobody knows. [`Talk`] is what is said,
//! for those who have a runtime of their own.

mod ask;
mod exit;
mod options;
mod plain;
mod raw;
mod run;
mod shim;
mod signals;
mod sys;
mod talk;
mod terminal;

use std::ffi::OsString;
use std::process::ExitCode;

pub use ask::{Asked, Failure};
pub use exit::Outcome;
pub use options::{Deed, HELP, Options, Refused, Tty};
pub use shim::{CONFIG, SHIM_DEPTH_MAX, SOCKET};
pub use talk::{Talk, Version};

/// What a program does that was called `name` with these arguments: the whole of the client's command
/// line.
#[must_use]
pub fn main(name: &OsString, args: impl Iterator<Item = OsString>) -> ExitCode {
    let own: Vec<OsString> = args.collect();
    let options = match shim::called_as(name) {
        Some(shim) => Ok(shim.options(own)),
        None => Options::parse(own),
    };
    match options {
        Ok(options) => options.run(),
        Err(refused) => {
            eprintln!("hotfn exec: {refused}");
            ExitCode::from(exit::USAGE)
        }
    }
}

/// Is this program called by the name of another, whose place it takes?
#[must_use]
pub fn is_shim(name: &OsString) -> bool {
    shim::called_as(name).is_some()
}
