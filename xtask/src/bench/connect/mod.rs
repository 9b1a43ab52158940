//! `cargo xtask bench connect`: what connectors take on.
//!
//! Case 42, and what goes beyond it: [`lines`] that only pass through, beside socat, and [`events`] that
//! call a function, beside calls over HTTP.

mod events;
mod lines;

use anyhow::{Result, bail};

use super::hot;
use super::part::Cores;
use super::stage::Stage;
use crate::install::{self, SOCAT, WRK};
use crate::step::step;

/// Measures, tells, and fails if a target was missed.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let profile = match words {
        [] => "dist",
        ["--profile", profile] => profile,
        [word, ..] => bail!("unknown option {word:?}; `cargo xtask bench connect` takes --profile NAME"),
    };
    step("install what the benchmark needs from Debian", || install::debian(&[SOCAT, WRK]))?;
    step("build", || hot::build(profile))?;
    let stage = Stage::new(Cores::All, profile)?;
    let missed = [lines::measure(&stage)?, events::measure(&stage)?].concat();
    if missed.is_empty() { Ok(()) } else { bail!("missed: {}", missed.join("; ")) }
}
