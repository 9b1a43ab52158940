//! `cargo xtask package`: what a release ships.
//!
//! One program without any library, and a package of Debian around it with units, a config and the
//! pages that explain them. The program is linked statically, so that it runs on any Linux and in an
//! image that holds nothing else; what it cannot have for that is a resolver of names other than files
//! and DNS.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::install;
use crate::step::{run, step};
use crate::tree;

/// How programs are built for a release.
const PROFILE: &str = "dist";

/// Builds both, and says where they are.
pub(crate) fn run_all(words: &[&str]) -> Result<()> {
    let profile = match words {
        [] => PROFILE,
        ["--profile", profile] => profile,
        [word, ..] => bail!("unknown option {word:?}; `cargo xtask package` takes --profile NAME"),
    };
    let program = step("build a static program", || program(profile))?;
    let package = step("put it into a package of Debian", || package(profile))?;
    println!("{}\n{}", program.display(), package.display());
    Ok(())
}

/// The program, which needs no library.
fn program(profile: &str) -> Result<PathBuf> {
    let target = target();
    run(Command::new("cargo")
        .args(["build", "--package", "hotfn-server", "--features", "postgres", "--bin", "hotfn"])
        .args(["--profile", profile, "--target", &target, "--target-dir"])
        .arg(folder())
        .env("RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .current_dir(tree::root()))?;
    let built = if profile == "dev" { "debug" } else { profile };
    Ok(folder().join(target).join(built).join("hotfn"))
}

/// The package, made of what was built.
fn package(profile: &str) -> Result<PathBuf> {
    let out = tree::target().join("package");
    std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let deb = out.join("hotfn.deb");
    run(install::cargo_deb()?
        .args(["--no-build", "--no-strip", "--package", "hotfn-server", "--profile", profile])
        .args(["--target", &target(), "--output"])
        .arg(&deb)
        .env("CARGO_TARGET_DIR", folder())
        .current_dir(tree::root()))?;
    Ok(deb)
}

/// Beside the examples that are built in the same way.
fn folder() -> PathBuf {
    tree::target().join("static")
}

fn target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}
