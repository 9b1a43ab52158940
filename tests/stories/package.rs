//! The package of Debian: what is in it, and that it works from where it was put.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use hotfn_tests::{binaries, program, skipped};
use tempfile::TempDir;

fn run(command: &mut Command) -> String {
    program::run(command, b"").well().text()
}

/// The package, made in `folder` of the program that needs no library; `None` where it cannot be.
fn package(folder: &Path) -> Option<PathBuf> {
    let tool = binaries::target().join("tools/bin/cargo-deb");
    let has_dpkg = Command::new("dpkg-deb").arg("--version").output().is_ok();
    if !tool.is_file() || !has_dpkg {
        skipped("there is no cargo-deb, or no dpkg-deb; `cargo xtask test` installs the one on Debian");
        return None;
    }
    let deb = folder.join("hotfn.deb");
    let target = folder.join("target");
    fs::create_dir_all(target.join("release")).unwrap();
    symlink(binaries::static_hotfn(), target.join("release/hotfn")).unwrap();
    run(Command::new(&tool)
        .args(["deb", "--quiet", "--no-build", "--no-strip", "--fast", "--package", "hotfn-server", "--output"])
        .arg(&deb)
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(binaries::root()));
    Some(deb)
}

#[test]
fn the_package_has_everything_and_nothing_of_it_starts_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let Some(deb) = package(folder.path()) else { return };
    let info = run(Command::new("dpkg-deb").arg("--info").arg(&deb));
    for word in ["Package: hotfn", "Version: 0.1.0", "conffiles", "postinst"] {
        assert!(info.contains(word), "{word} is not in\n{info}");
    }
    let needs = info.lines().filter_map(|line| line.trim().strip_prefix("Depends:")).collect::<String>();
    assert_eq!(needs.trim(), "", "it needs nothing\n{info}");
    let contents = run(Command::new("dpkg-deb").arg("--contents").arg(&deb));
    for file in ["hotfn.service", "hotfn.socket"] {
        assert!(contents.contains(&format!("systemd/system/{file}")), "{file} is not in\n{contents}");
    }
    let control = folder.path().join("control");
    run(Command::new("dpkg-deb").arg("--control").arg(&deb).arg(&control));
    let postinst = fs::read_to_string(control.join("postinst")).unwrap();
    assert!(!postinst.contains("deb-systemd-invoke"), "whoever installs it says when it begins\n{postinst}");
}

/// A system of its own, in which packages can be installed beside this one's.
struct System(TempDir);

impl System {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let known = folder.path().join("var/lib/dpkg");
        for part in ["info", "updates", "triggers", "parts"] {
            fs::create_dir_all(known.join(part)).unwrap();
        }
        for file in ["status", "available"] {
            fs::write(known.join(file), "").unwrap();
        }
        Self(folder)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// Scripts of the package run where we are, and are told which system is meant.
    fn dpkg(&self, args: &[&str]) -> String {
        let mut dpkg = Command::new("dpkg");
        dpkg.arg("--root").arg(self.0.path()).arg("--force-script-chrootless").args(args);
        run(dpkg.env("DEBIAN_FRONTEND", "noninteractive").env("PATH", PATH))
    }

    fn state(&self) -> String {
        let mut query = Command::new("dpkg-query");
        query.arg("--admindir").arg(self.at("var/lib/dpkg")).args(["--show", "--showformat=${Status}", "hotfn"]);
        program::run(&mut query, b"").text()
    }
}

/// The package manager wants these of its own on it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[test]
fn it_is_installed_changed_and_removed() {
    if !rustix::process::geteuid().is_root() {
        return skipped("packages are root's to install");
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(deb) = package(folder.path()) else { return };
    let deb = deb.display().to_string();
    let system = System::new();
    let said = system.dpkg(&["--install", &deb]);
    assert_eq!(system.state(), "install ok installed", "{said}");
    let hotfn = system.at("usr/bin/hotfn");
    assert_eq!(run(Command::new(&hotfn).arg("--version")), "hotfn 0.1.0\n");
    let config = system.at("etc/hotfn/hotfn.toml");
    let checked = run(Command::new(&hotfn).args(["serve", "--check", "--config"]).arg(&config));
    assert!(checked.ends_with("nothing to complain about\n"), "{checked}");
    for file in ["etc/default/hotfn", "usr/share/doc/hotfn/operating.md", "usr/share/doc/hotfn/metrics.md"] {
        assert!(system.at(file).is_file(), "{file} is not there");
    }
    assert!(!system.at("etc/systemd/system/multi-user.target.wants/hotfn.service").exists(), "it begins by itself");

    // What somebody has changed stays, through an upgrade and a removal, until all is to go.
    fs::write(&config, "[node]\nthreads = 1\n").unwrap();
    system.dpkg(&["--force-confold", "--install", &deb]);
    assert_eq!(fs::read_to_string(&config).unwrap(), "[node]\nthreads = 1\n");
    system.dpkg(&["--remove", "hotfn"]);
    assert!(!hotfn.exists() && config.exists());
    system.dpkg(&["--purge", "hotfn"]);
    assert!(!config.exists() && system.state() != "install ok installed");
}
