//! What can go wrong whoever serves the call.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::script::Step;

/// Does the step, if it is one of these; says whether it was.
#[allow(clippy::disallowed_methods, reason = "leaving things behind is the fault that is asked for")]
pub(crate) fn done(step: Step<'_>) -> anyhow::Result<bool> {
    match step.word {
        "abort" => std::process::abort(),
        "burn" => burn(step.number()?),
        "child" => drop(Command::new("sleep").arg("3600").stdin(Stdio::null()).spawn()?),
        "eprint" => flood(&mut io::stderr().lock(), step.number()?)?,
        "exit" => std::process::exit(i32::try_from(step.number()?)?),
        "leak" => leak(step.number()?),
        "print" => flood(&mut io::stdout().lock(), step.number()?)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// So many bytes, in lines of 80.
pub(crate) fn flood(out: &mut impl Write, bytes: u64) -> io::Result<()> {
    let line = [b"x".repeat(79), b"\n".to_vec()].concat();
    let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
    while left > 0 {
        let piece = &line[line.len().saturating_sub(left)..];
        out.write_all(piece)?;
        left -= piece.len();
    }
    out.flush()
}

/// A core is kept busy.
fn burn(ms: u64) {
    let until = Instant::now() + Duration::from_millis(ms);
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// Memory that is written is memory that is used.
fn leak(mb: u64) {
    for _ in 0..mb {
        // Or the compiler sees that nobody looks.
        std::hint::black_box(vec![1u8; 1 << 20].leak());
    }
}
