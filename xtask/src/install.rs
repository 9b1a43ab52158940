//! What tasks need and a machine may lack.
//!
//! Only three kinds of thing are installed: packages of Debian, for which there is no place inside
//! the project; packages of PyPI and npm, below `target/peers`; and programs that cargo installs, below
//! `target/tools`. Whatever is at hand is used as it is. Versions of what tests speak to are
//! pinned, because a story tells what one release does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::step::{run, works};
use crate::tree;

/// What PyPI's packages are to be, as `pip` reads it.
const PYTHON_REQUIREMENTS: &str = include_str!("../peers/requirements.txt");
/// What npm's packages are to be.
const NODE_PACKAGES: &str = include_str!("../peers/package.json");
/// The releases of PyPI's `fdk` that spoke the formats of 2018: the last with `http`, the last with
/// `json` and `cloudevent`, the first that is `http-stream` only. Their own pins no longer build,
/// so each is put beside newer versions of what it imports.
const OLD_FDKS: [&str; 3] = ["0.0.8", "0.0.32", "0.0.36"];
/// The test runner's release.
const NEXTEST: &str = "0.9.143";
/// The release of what makes packages of Debian.
const CARGO_DEB: &str = "3.8.0";

/// A command, and the package of Debian that brings it.
pub(crate) struct Debian {
    /// Does what the package brings already work?
    pub(crate) at_hand: fn() -> bool,
    /// The package's name.
    pub(crate) package: &'static str,
}

/// Python with its virtual environments.
pub(crate) const PYTHON: Debian = Debian {
    at_hand: || works(Command::new("python3").args(["-c", "import ensurepip, venv"])),
    package: "python3-venv",
};
/// Node.
pub(crate) const NODE: Debian = Debian { at_hand: || works(Command::new("node").arg("--version")), package: "nodejs" };
/// The container engine, with its init and its command line.
pub(crate) const DOCKER: Debian = Debian {
    at_hand: || works(Command::new("dockerd").arg("--version")) && works(Command::new("docker").arg("--version")),
    package: "docker.io",
};
/// Node's package client.
pub(crate) const NPM: Debian = Debian { at_hand: || works(Command::new("npm").arg("--version")), package: "npm" };
/// A registry of images.
pub(crate) const REGISTRY: Debian =
    Debian { at_hand: || works(Command::new("docker-registry").arg("--version")), package: "docker-registry" };
/// A container runtime that works wherever containers do.
pub(crate) const RUNC: Debian = Debian { at_hand: || works(Command::new("runc").arg("--version")), package: "runc" };
/// Another, which refuses some hosts.
pub(crate) const CRUN: Debian = Debian { at_hand: || works(Command::new("crun").arg("--version")), package: "crun" };
/// The first process of a container.
pub(crate) const TINI: Debian =
    Debian { at_hand: || works(Command::new("tini-static").arg("--version")), package: "tini" };
/// A peer of unix sockets.
pub(crate) const NETCAT: Debian = Debian { at_hand: || works(Command::new("nc").arg("-h")), package: "netcat-openbsd" };
/// A log of the system's kind, which takes and sends over unix sockets.
pub(crate) const RSYSLOG: Debian = Debian { at_hand: || works(Command::new("rsyslogd").arg("-v")), package: "rsyslog" };
/// Opens sockets for others, as the system's manager of services does.
pub(crate) const SYSTEMD: Debian =
    Debian { at_hand: || works(Command::new("systemd-socket-activate").arg("--version")), package: "systemd" };
/// Other readers of what we compress.
pub(crate) const ZSTD: Debian = Debian { at_hand: || works(Command::new("zstd").arg("--version")), package: "zstd" };
/// Another.
pub(crate) const LZ4: Debian = Debian { at_hand: || works(Command::new("lz4").arg("--version")), package: "lz4" };
/// A peer of unix sockets that copies.
pub(crate) const SOCAT: Debian = Debian { at_hand: || works(Command::new("socat").arg("-V")), package: "socat" };
/// Networks for containers.
pub(crate) const CNI: Debian =
    Debian { at_hand: || Path::new("/usr/lib/cni/bridge").exists(), package: "containernetworking-plugins" };
/// Users for the containers of somebody who is not root.
pub(crate) const UIDMAP: Debian = Debian { at_hand: || Path::new("/usr/bin/newuidmap").exists(), package: "uidmap" };
/// The yardstick of the benchmarks, and a proxy before a node.
pub(crate) const NGINX: Debian = Debian { at_hand: || works(Command::new("nginx").arg("-v")), package: "nginx-light" };
/// A server that the store's tests start for themselves. Its programs are on nobody's path.
pub(crate) const POSTGRES: Debian =
    Debian { at_hand: || fs::read_dir("/usr/lib/postgresql").is_ok(), package: "postgresql" };
/// What host commands are measured beside.
pub(crate) const WEBHOOK: Debian =
    Debian { at_hand: || works(Command::new("webhook").arg("-version")), package: "webhook" };
/// Counts instructions for the benchmarks.
pub(crate) const VALGRIND: Debian =
    Debian { at_hand: || works(Command::new("valgrind").arg("--version")), package: "valgrind" };
/// What runs programs over a socket as we do. It has no way to say that it is there but to complain.
pub(crate) const S6: Debian = Debian { at_hand: || Command::new("s6-sudo").output().is_ok(), package: "s6" };
/// The load of the benchmarks. Its `--version` ends with 1, so starting is all that is asked of it.
pub(crate) const WRK: Debian = Debian { at_hand: || Command::new("wrk").arg("-v").output().is_ok(), package: "wrk" };

/// Installs those of `wanted` that are not at hand.
pub(crate) fn debian(wanted: &[Debian]) -> Result<()> {
    let missing: Vec<&str> = wanted.iter().filter(|d| !(d.at_hand)()).map(|d| d.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("    from Debian: {}", missing.join(" "));
    if !works(Command::new("apt-get").arg("--version")) {
        bail!("no apt-get here; install what these packages of Debian bring, then try again: {}", missing.join(" "));
    }
    run(apt_get().arg("update")).context("the list of packages could not be fetched; is the network there?")?;
    run(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(&missing))
}

/// Makes the virtual environment with PyPI's packages, and the old kits beside it.
pub(crate) fn python_peers() -> Result<()> {
    let home = tree::peers().join("python");
    let stamp = format!("{PYTHON_REQUIREMENTS}{OLD_FDKS:?}");
    once(&home, &stamp, || {
        let venv = home.join("venv");
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        let pip = || {
            let mut pip = Command::new(venv.join("bin/pip"));
            pip.args(["install", "--quiet", "--disable-pip-version-check"]);
            pip
        };
        let requirements = home.join("requirements.txt");
        fs::write(&requirements, PYTHON_REQUIREMENTS)?;
        run(pip().arg("--requirement").arg(&requirements))?;
        for version in OLD_FDKS {
            let target = home.join(format!("fdk-{version}"));
            run(pip().arg("--no-deps").arg("--target").arg(target).arg(format!("fdk=={version}")))?;
        }
        Ok(())
    })
}

/// Installs npm's packages.
pub(crate) fn node_peers() -> Result<()> {
    let home = tree::peers().join("node");
    once(&home, NODE_PACKAGES, || {
        fs::write(home.join("package.json"), NODE_PACKAGES)?;
        run(Command::new("npm").args(["install", "--silent", "--no-audit", "--no-fund"]).current_dir(&home))
    })
}

/// The test runner as a command, installed if it is not there.
pub(crate) fn nextest() -> Result<Command> {
    if works(Command::new("cargo").args(["nextest", "--version"])) {
        let mut cargo = Command::new("cargo");
        cargo.arg("nextest");
        return Ok(cargo);
    }
    let program = tool("cargo-nextest", NEXTEST)?;
    let mut command = Command::new(program);
    command.arg("nextest");
    Ok(command)
}

/// What makes packages of Debian, as a command, installed if it is not there.
pub(crate) fn cargo_deb() -> Result<Command> {
    let program = tool("cargo-deb", CARGO_DEB)?;
    let mut command = Command::new(program);
    // As cargo calls it.
    command.arg("deb");
    Ok(command)
}

fn tool(name: &str, version: &str) -> Result<PathBuf> {
    let program = tree::tools().join("bin").join(name);
    if !program.exists() {
        eprintln!("    with cargo: {name} {version}, which is built here and takes a few minutes");
        run(Command::new("cargo")
            .args(["install", "--quiet", "--locked", name, "--version", version, "--root"])
            .arg(tree::tools()))?;
    }
    Ok(program)
}

/// Does `work` in a new folder `home`, unless it was done there before for the same `stamp`.
fn once(home: &Path, stamp: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let mark = home.join(".installed");
    if fs::read_to_string(&mark).is_ok_and(|found| found == stamp) {
        return Ok(());
    }
    if home.exists() {
        fs::remove_dir_all(home).with_context(|| format!("cannot clear {}", home.display()))?;
    }
    fs::create_dir_all(home).with_context(|| format!("cannot make {}", home.display()))?;
    eprintln!("    into {}", home.display());
    work()?;
    fs::write(&mark, stamp).with_context(|| format!("cannot write {}", mark.display()))
}

fn apt_get() -> Command {
    let mut command = if works(Command::new("sh").args(["-c", "test $(id -u) = 0"])) {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("apt-get");
        sudo
    };
    command.arg("--quiet=2").env("DEBIAN_FRONTEND", "noninteractive");
    command
}
