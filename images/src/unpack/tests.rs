//! Each hostile thing that an archive may do is a test with its name.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;

use tar::EntryType;
use tempfile::TempDir;

use super::*;
use crate::testing::{Archive, gzip, skipped, zstd};

/// A directory with a root in it, and something beside the root that nobody may touch.
struct Place {
    dir: TempDir,
    limits: Limits,
    style: Style,
}

impl Place {
    fn new(style: Style) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("root")).unwrap();
        fs::write(dir.path().join("secret"), "secret").unwrap();
        Self { dir, limits: Limits::default(), style }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn unpack(&self, archive: Archive) -> Result<Digest, UnpackError> {
        self.unpack_bytes(&archive.bytes())
    }

    fn unpack_bytes(&self, bytes: &[u8]) -> Result<Digest, UnpackError> {
        let blob = self.dir.path().join("blob");
        fs::write(&blob, bytes).unwrap();
        let ownership = if rustix::process::geteuid().is_root() { Ownership::Kept } else { Ownership::Ours };
        let unpack = Unpack { limits: &self.limits, ownership, style: self.style };
        unpack.run(&blob, &self.root(), &mut Budget::new(&self.limits))
    }

    fn refuses(&self, archive: Archive, why: &str) {
        let error = self.unpack(archive).unwrap_err().to_string();
        assert!(error.contains(why), "{error:?} does not say {why:?}");
        self.nothing_else();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }

    /// Nothing was made or changed outside of the root.
    fn nothing_else(&self) {
        let mut names: Vec<_> = fs::read_dir(self.dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["blob", "root", "secret"]);
        assert_eq!(fs::read_to_string(self.dir.path().join("secret")).unwrap(), "secret");
    }
}

fn flat() -> Place {
    Place::new(Style::Flat)
}

/// In the marks of whoever runs this; `None`, told aloud, where nobody may make any.
fn overlaid() -> Option<(Place, Overlay)> {
    let probe = tempfile::tempdir().unwrap();
    let Some(overlay) = Overlay::probe(probe.path()) else {
        skipped("no marks for overlayfs can be made here");
        return None;
    };
    Some((Place::new(Style::Overlay(overlay)), overlay))
}

fn long(length: usize) -> String {
    vec!["x".repeat(100); length / 101 + 1].join("/")[..length].to_owned()
}

#[test]
fn a_layer_is_what_it_says_however_it_is_compressed() {
    let archive = || {
        Archive::new()
            .dir("bin/")
            .member(EntryType::Regular, "bin/func", "", &[7; 200_000], 0o755)
            .symlink("bin/sh", "func")
            .hard_link("bin/again", "bin/func")
            .file("./implied/parents/file", "deep")
            .file(&format!("long/{}", long(300)), "long")
            .bytes()
    };
    let mut digests = Vec::new();
    for bytes in [archive(), gzip(&archive()), zstd(&archive())] {
        let place = flat();
        digests.push(place.unpack_bytes(&bytes).unwrap());
        let func = fs::metadata(place.root().join("bin/func")).unwrap();
        assert_eq!((func.len(), func.permissions().mode() & 0o7777, func.mtime()), (200_000, 0o755, 1_000_000_000));
        assert_eq!(func.ino(), fs::metadata(place.root().join("bin/again")).unwrap().ino());
        assert_eq!(fs::read_link(place.root().join("bin/sh")).unwrap(), PathBuf::from("func"));
        assert_eq!(place.read("implied/parents/file"), "deep");
        assert_eq!(place.read(&format!("long/{}", long(300))), "long");
        if rustix::process::geteuid().is_root() {
            assert_eq!((func.uid(), func.gid()), (1000, 1001));
        }
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[test]
fn absolute_paths_are_of_the_root() {
    let place = flat();
    place.unpack(Archive::new().file("/etc/passwd", "here").file("//a//./b", "b")).unwrap();
    assert_eq!((place.read("etc/passwd"), place.read("a/b")), ("here".to_owned(), "b".to_owned()));
    place.nothing_else();
}

#[test]
fn paths_that_go_up_are_refused() {
    for path in ["../secret", "a/../../secret", "/../secret", "a/..", ".."] {
        flat().refuses(Archive::new().dir("a").file(path, "x"), "goes up");
    }
    flat().refuses(Archive::new().extension("path", "../secret").file("a", "x"), "goes up");
    flat().refuses(Archive::new().file(&format!("{}/../../../../secret", long(200)), "x"), "goes up");
    flat().refuses(Archive::new().symlink("../secret", "x"), "goes up");
    flat().refuses(Archive::new().dir("../dir"), "goes up");
    flat().refuses(Archive::new().file("a", "").hard_link("../secret", "a"), "goes up");
}

#[test]
fn nothing_is_written_through_a_link_that_leads_out() {
    for target in ["..", "/..", "../..", "./../../", "/proc/self/cwd"] {
        let place = flat();
        // In the root, `..` of the root is the root itself; what is not there is a refusal.
        let _ = place.unpack(Archive::new().symlink("out", target).file("out/secret", "changed"));
        place.nothing_else();
    }
    let place = flat();
    let outside = place.dir.path().display().to_string();
    place.refuses(Archive::new().symlink("out", &outside).file("out/secret", "x"), "link to nothing");
    // Over two links, and with the last name a link itself.
    place.refuses(
        Archive::new().symlink("a", &outside).symlink("b", "a/../..").file("b/tmp/secret", "x"),
        "link to nothing",
    );
    let place = flat();
    place.unpack(Archive::new().symlink("f", &format!("{outside}/secret")).file("f", "mine")).unwrap();
    assert_eq!(place.read("f"), "mine");
    place.nothing_else();
}

#[test]
fn a_link_within_the_image_is_followed() {
    let place = flat();
    place.unpack(Archive::new().dir("usr/lib").symlink("lib", "/usr/lib").file("lib/libc.so", "c")).unwrap();
    assert_eq!(place.read("usr/lib/libc.so"), "c");
    place.refuses(Archive::new().symlink("l1", "l2").symlink("l2", "l1").file("l1/x", ""), "leads nowhere");
}

#[test]
fn hard_links_to_what_is_outside_are_refused() {
    let place = flat();
    let secret = place.dir.path().join("secret").display().to_string();
    place.refuses(Archive::new().hard_link("a", &secret), "hard link to what this layer does not have");
    place.refuses(Archive::new().hard_link("a", "../secret"), "goes up");
    place.refuses(Archive::new().symlink("out", "..").hard_link("a", "out/secret"), "does not have");
    place.refuses(Archive::new().dir("d").hard_link("a", "d"), "other than a file");
    // To a link it is the link that gets another name, not what it leads to.
    let place = flat();
    place.unpack(Archive::new().symlink("l", &secret).hard_link("a", "l").file("a", "mine")).unwrap();
    place.nothing_else();
}

#[test]
fn devices_and_fifos_are_left_out() {
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
        let place = flat();
        place.unpack(Archive::new().member(kind, "dev/thing", "", b"", 0o666).file("a", "")).unwrap();
        assert!(!place.root().join("dev").exists());
        place.nothing_else();
    }
}

#[test]
fn set_id_bits_are_left_out_and_the_sticky_one_is_kept() {
    let place = flat();
    let archive = Archive::new().member(EntryType::Regular, "su", "", b"", 0o6755).member(
        EntryType::Directory,
        "tmp",
        "",
        b"",
        0o3777,
    );
    place.unpack(archive).unwrap();
    let mode = |path: &str| fs::metadata(place.root().join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("su"), mode("tmp")), (0o755, 0o1777));
}

#[test]
fn extended_attributes_are_left_out() {
    let place = flat();
    let archive = Archive::new().extension("SCHILY.xattr.trusted.overlay.redirect", "/secret").dir("d");
    place.unpack(archive).unwrap();
    let mut names = [0; 256];
    let length = rustix::fs::listxattr(place.root().join("d"), &mut names).unwrap();
    assert!(!String::from_utf8_lossy(&names[..length]).contains("overlay"));
}

#[test]
fn kinds_of_members_that_nobody_makes_are_refused() {
    flat().refuses(Archive::new().member(EntryType::GNUSparse, "a", "", b"", 0o644), "sparse");
    flat().refuses(Archive::new().extension("GNU.sparse.major", "1").file("a", ""), "sparse");
    flat().refuses(Archive::new().member(EntryType::new(b'Z'), "a", "", b"", 0o644), "of a kind that nobody knows");
    flat().refuses(Archive::new().extension("size", "9000000000").file("a", ""), "larger than 8 GB");
    flat().refuses(Archive::new().extension("uid", "99999999999").file("a", ""), "owner");
    flat().refuses(Archive::new().extension("path", "a\0b").file("a", ""), "NUL");
    flat().refuses(Archive::new().symlink("a", ""), "link to nothing");
    flat().refuses(Archive::new().file("f", "").file("f/a", ""), "is no directory");
}

#[test]
fn the_root_can_be_described_but_not_replaced() {
    let place = flat();
    place.unpack(Archive::new().member(EntryType::Directory, "./", "", b"", 0o700)).unwrap();
    assert_eq!(fs::metadata(place.root()).unwrap().permissions().mode() & 0o7777, 0o700);
    for path in ["", ".", "./."] {
        place.refuses(Archive::new().file(path, "x"), "would replace the root");
        place.refuses(Archive::new().symlink(path, "/etc"), "would replace the root");
    }
}

#[test]
fn what_is_over_a_bound_is_refused_by_its_name() {
    let check = |bound: &str, set: fn(&mut Limits), archive: Archive| {
        let mut place = flat();
        set(&mut place.limits);
        place.refuses(archive, &format!("is over the bound {bound}"));
    };
    check("file_bytes_max", |l| l.file_bytes_max = 9, Archive::new().file("a", "0123456789"));
    check("unpacked_bytes_max", |l| l.unpacked_bytes_max = 4000, Archive::new().file("a", [0; 4000]));
    check("entries_max", |l| l.entries_max = 2, Archive::new().file("a", "").file("b", "").file("c", ""));
    check("entries_max", |l| l.entries_max = 3, Archive::new().file("a/b/c/d", ""));
    check("depth_max", |l| l.depth_max = 3, Archive::new().file("a/b/c/d", ""));
    check("path_bytes_max", |l| l.path_bytes_max = 120, Archive::new().file(&long(121), ""));
    check("path_bytes_max", |l| l.path_bytes_max = 50, Archive::new().file(&long(51), ""));
    check("path_bytes_max", |l| l.path_bytes_max = 120, Archive::new().symlink("a", &long(121)));
    let many = "x".repeat(2 << 20);
    check("an extension", |_| {}, Archive::new().extension("comment", &many).file("a", ""));
}

#[test]
fn links_do_not_pile_directories_beyond_the_bound() {
    let mut place = flat();
    place.limits.depth_max = 4;
    let archive = Archive::new()
        .dir("a/b/c/d")
        .symlink("l", "a/b/c/d")
        .dir("l/e")
        .symlink("m", "l/e")
        .dir("m/f")
        .symlink("n", "m/f")
        .dir("n/g");
    place.refuses(archive, "is over the bound depth_max");
}

#[test]
fn a_bomb_is_refused_long_before_it_is_whole() {
    let mut place = flat();
    place.limits.expansion_max = 100;
    let zeros = vec![0; EXPANSION_BYTES];
    for bomb in [gzip(&zeros), gzip(&Archive::new().file("zeros", &zeros).bytes())] {
        let error = place.unpack_bytes(&bomb).unwrap_err().to_string();
        assert_eq!(error, "is over the bound expansion_max");
    }
}

const EXPANSION_BYTES: usize = crate::EXPANSION_FREE_BYTES as usize + (1 << 20);

#[test]
fn what_is_no_archive_is_refused() {
    let whole = Archive::new().file("a", "0123456789").bytes();
    let place = flat();
    for bytes in
        [&whole[..515], b"hello, this is not an archive at all, is it?", &gzip(&whole)[..60], &zstd(&whole)[..40]]
    {
        assert!(matches!(place.unpack_bytes(bytes), Err(UnpackError::Archive(_) | UnpackError::Member { .. })));
    }
    let mut broken = whole.clone();
    broken[0] ^= 1;
    assert!(matches!(place.unpack_bytes(&broken), Err(UnpackError::Archive(_))));
    place.nothing_else();
}

#[test]
fn a_flat_tree_loses_what_an_upper_layer_takes_away() {
    let place = flat();
    place.unpack(Archive::new().file("a/one", "").file("a/two", "").file("b/c/three", "").file("d", "")).unwrap();
    // The marks stand last and speak of the layers below only.
    let upper = Archive::new()
        .file("a/three", "new")
        .file("b/c/four", "new")
        .file("e/f", "")
        .file("a/.wh.one", "")
        .file("b/.wh..wh..opq", "")
        .file(".wh.d", "")
        .file(".wh.never-was", "")
        .file("not/there/.wh.x", "")
        .file(".wh..wh.plnk", "");
    place.unpack(upper).unwrap();
    let exists = |path: &str| place.root().join(path).exists();
    for gone in ["a/one", "b/c/three", "d", "not", ".wh.d", "a/.wh.one", "b/.wh..wh..opq", ".wh..wh.plnk"] {
        assert!(!exists(gone), "{gone}");
    }
    for there in ["a/two", "a/three", "b/c/four", "e/f"] {
        assert!(exists(there), "{there}");
    }
}

#[test]
fn an_upper_layer_replaces_whatever_is_in_its_way() {
    let place = flat();
    place
        .unpack(Archive::new().file("d/x/y", "").file("f", "").symlink("l", "d").dir("kept").file("kept/old", ""))
        .unwrap();
    place.unpack(Archive::new().file("d", "now a file").dir("f").dir("l").file("l/in", "").dir("kept")).unwrap();
    assert_eq!(place.read("d"), "now a file");
    assert!(place.root().join("f").is_dir() && place.root().join("kept/old").exists());
    assert!(fs::symlink_metadata(place.root().join("l")).unwrap().is_dir());
}

#[test]
fn marks_without_a_name_are_refused() {
    for path in [".wh.", "a/.wh..", ".wh..."] {
        flat().refuses(Archive::new().file(path, ""), "takes away what has no name");
    }
    flat().refuses(Archive::new().file("../.wh.secret", ""), "goes up");
    let place = flat();
    place.unpack(Archive::new().symlink("out", "..").file("out/.wh.secret", "").file("out/.wh..wh..opq", "")).unwrap();
    place.nothing_else();
}

#[test]
fn marks_become_those_of_overlayfs() {
    let Some((place, overlay)) = overlaid() else { return };
    let archive = Archive::new()
        .file(".wh.gone", "")
        .file("o/.wh..wh..opq", "")
        .file("o/in", "")
        // Taken away and brought anew: nothing of what was below shines through.
        .file(".wh.again", "")
        .dir("again")
        .file("again/new", "")
        .file(".wh.implied", "")
        .file("implied/new", "")
        .dir("after")
        .file(".wh.after", "")
        .file(".wh.file", "")
        .file("file", "new");
    place.unpack(archive).unwrap();
    let gone = fs::symlink_metadata(place.root().join("gone")).unwrap();
    assert!(gone.file_type().is_char_device() && gone.rdev() == 0);
    let name = if overlay == Overlay::Trusted { "trusted.overlay.opaque" } else { "user.overlay.opaque" };
    for opaque in ["o", "again", "implied", "after"] {
        let mut value = [0; 8];
        let length = rustix::fs::getxattr(place.root().join(opaque), name, &mut value).unwrap();
        assert_eq!(&value[..length], b"y", "{opaque}");
    }
    assert_eq!(place.read("file"), "new");
    assert!(place.root().join("o/in").exists() && !place.root().join("o/.wh..wh..opq").exists());
}

#[test]
fn in_an_archive_that_is_no_layer_marks_are_names() {
    let place = Place::new(Style::Plain);
    place.unpack(Archive::new().file(".wh.a", "a").file("b/.wh..wh..opq", "b")).unwrap();
    assert_eq!((place.read(".wh.a"), place.read("b/.wh..wh..opq")), ("a".to_owned(), "b".to_owned()));
}
