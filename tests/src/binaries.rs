//! The programs of this workspace, as files.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rustix::fs::{FlockOperation, flock};

/// The folder with the programs, when somebody else has built them: `cargo xtask test` has.
const ENV_BIN_DIR: &str = "HOTFN_BIN_DIR";
/// The examples that stories put into images.
const STATIC: [&str; 4] = ["conformance", "echo", "faulty", "witness"];

/// The program `name` of this workspace: `hotfn`, or one of the examples.
///
/// # Panics
/// When it is not there and cannot be built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let path = FOLDER.get_or_init(folder).join(name);
    assert!(path.is_file(), "no program at {}; build it with `cargo build --workspace --bins`", path.display());
    path
}

/// The example `name` linked statically, to be put into an image from scratch.
///
/// # Panics
/// When it is not there and cannot be built.
#[must_use]
pub fn static_program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let path = FOLDER.get_or_init(static_folder).join(name);
    assert!(path.is_file(), "no static program at {}", path.display());
    path
}

/// The program `hotfn` without need of any library, as a release ships it.
///
/// It is linked once more from what the other one was linked from, which takes seconds. To build it as
/// `cargo xtask package` does would take minutes: each of its dependencies is then built anew.
///
/// # Panics
/// When it cannot be linked.
#[must_use]
pub fn static_hotfn() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(link_static).clone()
}

/// The image of the example `name`, as a node's config names it.
#[must_use]
pub fn image(name: &str) -> String {
    format!("process:{}", program(name).display())
}

/// The folder of the example `name`.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    let path = root().join("examples").join(name);
    assert!(path.is_dir(), "no example at {}", path.display());
    path
}

/// The file `name` of the functions that only stories have.
#[must_use]
pub fn function(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("functions").join(name);
    assert!(path.is_file(), "no function at {}", path.display());
    path
}

/// The project's root.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in the project's root").to_owned()
}

/// The folder everything is built into.
#[must_use]
pub fn target() -> PathBuf {
    let profile = profile_folder();
    profile.parent().expect("a profile's folder lies in the target's").to_owned()
}

fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os(ENV_BIN_DIR) {
        return folder.into();
    }
    let folder = profile_folder();
    build(&folder, &mut cargo_build(&folder));
    folder
}

/// Below the other programs' own, since nothing of theirs can be shared.
fn static_folder() -> PathBuf {
    let folder = target().join("static");
    fs::create_dir_all(&folder).expect("the target folder is writable");
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--release", "--target", &triple, "--target-dir"]).arg(&folder);
    cargo.args(STATIC.iter().flat_map(|name| ["--package", name])).current_dir(root());
    build(&folder, cargo.env("RUSTFLAGS", "-Ctarget-feature=+crt-static"));
    folder.join(triple).join("release")
}

fn link_static() -> PathBuf {
    let built = program("hotfn");
    let built = built.parent().expect("it lies in a folder");
    let folder = target().join("static").join("linked");
    fs::create_dir_all(&folder).expect("the target folder is writable");
    let room = |name: &str| format!("{name}={}", built.join(format!("lib{name}.rlib")).display());
    let out = folder.join("hotfn");
    let mut rustc = Command::new(Path::new(env!("CARGO")).with_file_name("rustc"));
    rustc.args(["--edition=2024", "--crate-name=hotfn", "--crate-type=bin", "-Ctarget-feature=+crt-static"]);
    rustc.args(["-Cstrip=symbols", "--extern", &room("hotfn_server"), "--extern", &room("hotfn_exec"), "-L"]);
    rustc.arg(format!("dependency={}", built.join("deps").display()));
    build(&folder, rustc.arg("-o").arg(&out).arg(root().join("server/src/main.rs")));
    out
}

/// Where this very test program was built: `target/<profile>/deps/stories-…`.
fn profile_folder() -> PathBuf {
    let program = std::env::current_exe().expect("a program knows its own file");
    let folder = program.parent().and_then(Path::parent).expect("tests lie two folders below `target`");
    folder.to_owned()
}

/// Asked for everything the tests were built of, so that both share what they are linked from.
fn cargo_build(folder: &Path) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--workspace", "--all-targets"]).current_dir(root());
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    cargo
}

/// Builds programs into `folder`, once for all the test processes of one run.
fn build(folder: &Path, cargo: &mut Command) {
    let mark = folder.join(".stories-built");
    let lock = File::create(folder.join(".stories-lock")).expect("the target folder is writable");
    flock(&lock, FlockOperation::LockExclusive).expect("a file of ours can be locked");
    // The runner names its runs; without it there is one process, which asks once.
    let run = std::env::var("NEXTEST_RUN_ID").ok();
    if run.is_some() && fs::read_to_string(&mark).ok() == run {
        return;
    }
    // Those of this package, by which packages that look at them would be built anew.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_MANIFEST_") || name.starts_with("CARGO_PKG_")) {
            cargo.env_remove(name);
        }
    }
    let status = cargo.status().expect("cargo starts");
    assert!(status.success(), "{cargo:?} ended with {status}");
    if let Some(run) = run {
        fs::write(mark, run).expect("the target folder is writable");
    }
}
