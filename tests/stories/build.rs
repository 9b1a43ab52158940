//! `hotfn build`: folders become images.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use hotfn_tests::{binaries, program, skipped};
use tempfile::TempDir;

/// A folder with `func`, and beside it one for what outlives a node.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new(func: &Path) -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(place.dir.path().join("folder")).unwrap();
        fs::copy(func, place.path("folder/func")).unwrap();
        fs::set_permissions(place.path("folder/func"), fs::Permissions::from_mode(0o755)).unwrap();
        place
    }

    fn path(&self, path: &str) -> String {
        self.dir.path().join(path).display().to_string()
    }

    fn build(&self, folder: &str, args: &[&str]) -> program::Ended {
        let mut hotfn = Command::new(binaries::program("hotfn"));
        hotfn.args(["build", folder, "--state", &self.path("state")]).args(args);
        // What the tests were built with is not the function's affair.
        hotfn.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
        program::run(&mut hotfn, b"")
    }
}

/// The last line: the name and the digest.
fn digest(ended: program::Ended, name: &str) -> String {
    let text = ended.well().text();
    let last = text.lines().last().expect("it says what it made");
    last.strip_prefix(&format!("{name} ")).unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[test]
fn a_static_program_becomes_an_image_that_is_the_same_each_time() {
    let place = Place::new(&binaries::static_program("echo"));
    let folder = place.path("folder");
    let output = format!("oci:{}", place.path("layout"));
    let first = digest(place.build(&folder, &["-t", "stories/echo:1", "-o", &output]), "stories/echo:1");
    assert!(first.starts_with("sha256:"), "{first}");
    let index = fs::read_to_string(place.path("layout/index.json")).unwrap();
    assert!(index.contains(&first), "{index}");
    let archive = format!("docker-archive:{}", place.path("echo.tar"));
    assert_eq!(digest(place.build(&folder, &["-t", "stories/echo:2", "-o", &archive]), "stories/echo:2"), first);
    assert!(fs::metadata(place.path("echo.tar")).unwrap().len() > 0);
}

#[test]
fn a_rust_function_is_linked_statically_for_its_image() {
    // With nothing to compile but itself.
    let place = Place { dir: tempfile::tempdir().unwrap() };
    let package = "[package]\nname = \"tiny\"\nedition = \"2024\"\n[workspace]\n";
    fs::create_dir_all(place.path("folder/src")).unwrap();
    fs::write(place.path("folder/Cargo.toml"), package).unwrap();
    fs::write(place.path("folder/src/main.rs"), "fn main() {}").unwrap();
    let output = format!("oci:{}", place.path("tiny.tar"));
    digest(place.build(&place.path("folder"), &["-t", "tiny", "-o", &output]), "tiny:latest");
    let bytes = fs::metadata(place.path("tiny.tar")).unwrap().len();
    assert!(bytes < 4 << 20, "{bytes} bytes are not a few MB");
}

#[test]
fn a_program_that_needs_libraries_is_no_image() {
    let place = Place::new(&binaries::program("echo"));
    let ended = place.build(&place.path("folder"), &["-t", "echo"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("link it statically"), "{}", ended.stderr);
}

#[test]
fn an_engine_gets_what_was_built_and_builds_what_has_a_dockerfile() {
    let docker = |args: &[&str]| Command::new("docker").args(args).output();
    if !docker(&["version"]).is_ok_and(|output| output.status.success()) {
        return skipped("there is no Docker that answers");
    }
    let place = Place::new(&binaries::static_program("echo"));
    let folder = place.path("folder");
    let name = format!("hotfn-stories/build-{}:1", std::process::id());
    for dockerfile in [None, Some("FROM scratch\nCOPY func /func\nENTRYPOINT [\"/func\"]\n")] {
        if let Some(text) = dockerfile {
            fs::write(place.path("folder/Dockerfile"), text).unwrap();
        }
        digest(place.build(&folder, &["-t", &name, "--driver", "docker"]), &name);
        let answer = program::hotfn(&["run", "--driver", "docker", &name, "-d", "from an image"]);
        assert!(docker(&["image", "rm", "--force", &name]).unwrap().status.success());
        assert_eq!(answer.well().text(), "from an image");
    }
}
