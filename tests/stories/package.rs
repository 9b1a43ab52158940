//! The package of Debian: what is in it, and that it works from where it was put.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use hotfn_tests::{binaries, program, skipped};

fn run(command: &mut Command) -> String {
    program::run(command, b"").well().text()
}

#[test]
fn the_package_has_everything_and_nothing_of_it_starts_by_itself() {
    let tool = binaries::target().join("tools/bin/cargo-deb");
    let has_dpkg = Command::new("dpkg-deb").arg("--version").output().is_ok();
    if !tool.is_file() || !has_dpkg {
        return skipped("there is no cargo-deb, or no dpkg-deb; `cargo xtask test` installs the one on Debian");
    }
    let folder = tempfile::tempdir().unwrap();
    let deb = folder.path().join("hotfn.deb");
    // Of the program that the tests were built with: what a release ships differs in how it is linked.
    let target = folder.path().join("target");
    fs::create_dir_all(target.join("release")).unwrap();
    symlink(binaries::program("hotfn"), target.join("release/hotfn")).unwrap();
    run(Command::new(&tool)
        .args(["deb", "--quiet", "--no-build", "--no-strip", "--fast", "--package", "hotfn-server", "--output"])
        .arg(&deb)
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(binaries::root()));

    let info = run(Command::new("dpkg-deb").arg("--info").arg(&deb));
    for word in ["Package: hotfn", "Version: 0.1.0", "conffiles", "postinst"] {
        assert!(info.contains(word), "{word} is not in\n{info}");
    }
    let contents = run(Command::new("dpkg-deb").arg("--contents").arg(&deb));
    for file in ["hotfn.service", "hotfn.socket"] {
        assert!(contents.contains(&format!("systemd/system/{file}")), "{file} is not in\n{contents}");
    }
    let control = folder.path().join("control");
    run(Command::new("dpkg-deb").arg("--control").arg(&deb).arg(&control));
    let postinst = fs::read_to_string(control.join("postinst")).unwrap();
    assert!(!postinst.contains("deb-systemd-invoke"), "whoever installs it says when it begins\n{postinst}");

    let root = folder.path().join("root");
    run(Command::new("dpkg-deb").arg("--extract").arg(&deb).arg(&root));
    let hotfn = root.join("usr/bin/hotfn");
    assert_eq!(run(Command::new(&hotfn).arg("--version")), "hotfn 0.1.0\n");
    let config = root.join("etc/hotfn/hotfn.toml");
    let checked = run(Command::new(&hotfn).args(["serve", "--check", "--config"]).arg(&config));
    assert!(checked.ends_with("nothing to complain about\n"), "{checked}");
    for file in ["etc/default/hotfn", "usr/share/doc/hotfn/operating.md", "usr/share/doc/hotfn/metrics.md"] {
        assert!(root.join(file).is_file(), "{file} is not in\n{contents}");
    }
}
