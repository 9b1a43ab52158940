//! The function that agents are tested with, as a program of its own: small enough for an image.
//!
//! ```text
//! RUSTFLAGS=-Ctarget-feature=+crt-static cargo build --release -p witness --target x86_64-unknown-linux-gnu
//! hotfn conformance agent --program target/x86_64-unknown-linux-gnu/release/witness -- \
//!     hotfn serve --driver oci --listen {address}
//! ```

use std::process::ExitCode;

fn main() -> ExitCode {
    hotfn_conformance::witness()
}
