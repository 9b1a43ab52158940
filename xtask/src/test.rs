//! `cargo xtask test`: every test, nothing skipped.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::engine;
use crate::install::{
    self, CNI, CRUN, DOCKER, Debian, LZ4, NETCAT, NGINX, NODE, NPM, POSTGRES, PYTHON, REGISTRY, RSYSLOG, RUNC, SOCAT,
    SYSTEMD, TINI, UIDMAP, ZSTD,
};
use crate::step::{run, step};
use crate::tree;

/// What the tests need of Debian.
const NEEDED: &[Debian] = &[
    CNI, CRUN, DOCKER, LZ4, NETCAT, NGINX, NODE, NPM, POSTGRES, PYTHON, REGISTRY, RSYSLOG, RUNC, SOCAT, SYSTEMD, TINI,
    UIDMAP, ZSTD,
];

/// What is not built unless it is asked for, and tested all the same.
const FEATURES: [&str; 2] = ["--features", "hotfn-server/postgres"];

/// Installs what the tests need, builds once, runs all of them.
///
/// `args` go to the test runner; with any given, the examples in the docs are left out.
pub(crate) fn run_all(args: &[&str]) -> Result<()> {
    step("install what the tests need from Debian", || install::debian(NEEDED))?;
    step("install the function kits of PyPI", install::python_peers)?;
    step("install the function kit of npm", install::node_peers)?;
    step("start the container engine", engine::start)?;
    let mut nextest = step("find the test runner", install::nextest)?;
    step("find what makes packages", install::cargo_deb)?;
    // All targets in one build: the stories' programs then share what the tests are linked from,
    // instead of being built a second time without the features that only tests ask for.
    step("build", || {
        run(Command::new("cargo")
            .args(["build", "--workspace", "--all-targets"])
            .args(FEATURES)
            .current_dir(tree::root()))
    })?;
    // Built here for the same reason as the next one. The stories ask for the same, and find it done.
    step("build the examples that stories put into container images", build_static)?;
    // A story runs this example from its folder as a reader would, which builds it for release. Built
    // here, that takes its time in sight and not out of the story's.
    step("build the example that a story starts from its source", || {
        run(Command::new("cargo")
            .args(["build", "--release", "--bins"])
            .current_dir(tree::root().join("examples/hello")))
    })?;
    if args.is_empty() {
        step("test the examples in the docs", || {
            run(Command::new("cargo").args(["test", "--workspace", "--doc"]).current_dir(tree::root()))
        })?;
    }
    step("test", || {
        run(nextest
            .args(["run", "--workspace"])
            .args(FEATURES)
            .args(args)
            .env("HOTFN_NO_SKIP", "1")
            .env("HOTFN_BIN_DIR", tree::target().join("debug"))
            .current_dir(tree::root()))
    })
}

/// Builds the examples that go into container images, without need of any library.
pub(crate) fn build_static() -> Result<()> {
    run(Command::new("cargo")
        .args(["build", "--release", "--package", "conformance", "--package", "echo", "--package", "faulty"])
        .args(["--package", "witness"])
        .args(["--target", &static_target()])
        .arg("--target-dir")
        .arg(tree::target().join("static"))
        .env("RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .current_dir(tree::root()))
}

/// One of them.
pub(crate) fn static_program(name: &str) -> PathBuf {
    tree::target().join("static").join(static_target()).join("release").join(name)
}

fn static_target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}
