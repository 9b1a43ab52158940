//! What the fuzz targets in `fuzz/` throw bytes at, so that ordinary tests can throw the same.
//!
//! Each function takes any bytes and panics if one of our promises does not hold for them. Not part
//! of the crate's public face: behind the feature `fuzzing`.

use std::fs;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use crate::document::{Configuration, Document};
use crate::unpack::{Budget, Ownership, Style, Unpack};
use crate::{Limits, Overlay, Reference};

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// The targets, each with the name of its corpus.
pub const TARGETS: [(&str, Target); 3] =
    [("image_document", image_document), ("image_layer", image_layer), ("image_reference", image_reference)];

/// An index, a manifest or a configuration.
pub fn image_document(bytes: &[u8]) {
    let limits = Limits::default();
    if let Ok(Document::Manifest(manifest)) = Document::read(bytes, &limits) {
        assert!(manifest.layers.len() <= limits.layers_max);
        let Ok(Document::Manifest(again)) = Document::read(&manifest.write(), &limits) else {
            panic!("we read what we wrote");
        };
        assert_eq!(manifest.write(), again.write());
    }
    for layers in 0..3 {
        if let Ok(configuration) = Configuration::read(bytes, layers) {
            assert_eq!(configuration.diff_ids.len(), layers);
            Configuration::read(&configuration.write(), layers).expect("we read what we wrote");
        }
    }
}

/// A reference.
pub fn image_reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Reference::parse(text) {
        Ok(reference) => assert_eq!(Reference::parse(&reference.to_string()), Ok(reference)),
        Err(e) => assert!(e.to_string().len() < 4000, "an error stays short"),
    }
}

/// A layer. The first byte says how it is to be unpacked, and whether what follows is the layer
/// itself or a line for each member: its kind, its path, `>` and its link's target, so that not
/// every change makes a wrong checksum.
pub fn image_layer(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let style = match first % 4 {
        0 => Style::Flat,
        1 => Style::Plain,
        2 => Style::Overlay(Overlay::User),
        _ => Style::Overlay(Overlay::Trusted),
    };
    let layer = if first & 4 == 0 { rest.to_vec() } else { archive(rest) };
    let limits = Limits {
        unpacked_bytes_max: 1 << 20,
        file_bytes_max: 1 << 10,
        entries_max: 64,
        depth_max: 8,
        expansion_max: 100,
        ..Limits::default()
    };
    let dir = tempfile::tempdir().expect("there is room for a directory");
    let (blob, root, beside) = (dir.path().join("blob"), dir.path().join("root"), dir.path().join("beside"));
    fs::create_dir(&root).expect("it is ours");
    fs::write(&beside, "beside").expect("it is ours");
    fs::write(&blob, layer).expect("it is ours");
    for _ in 0..2 {
        let mut budget = Budget::new(&limits);
        let _ = Unpack { limits: &limits, ownership: Ownership::here(), style }.run(&blob, &root, &mut budget);
        is_untouched(dir.path(), &beside);
    }
}

fn archive(lines: &[u8]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for line in lines.split(|byte| *byte == b'\n') {
        let Some((kind, rest)) = line.split_first() else { continue };
        let (path, link) = match rest.iter().position(|byte| *byte == b'>') {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        let mut header = Header::new_gnu();
        for (from, field) in [(path, 0), (link, 1)] {
            let fits = &from[..from.len().min(100)];
            let header = header.as_old_mut();
            let into = if field == 0 { &mut header.name } else { &mut header.linkname };
            into[..fits.len()].copy_from_slice(fits);
        }
        let body: &[u8] = if *kind == b'0' || *kind == b'L' || *kind == b'x' { link } else { b"" };
        header.set_entry_type(EntryType::new(*kind));
        header.set_size(body.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        builder.append(&header, body).expect("memory takes everything");
    }
    builder.into_inner().expect("memory takes everything")
}

/// Nothing was made or changed outside of the root.
fn is_untouched(dir: &Path, beside: &Path) {
    let mut names: Vec<_> =
        fs::read_dir(dir).expect("it is ours").map(|entry| entry.expect("it is ours").file_name()).collect();
    names.sort();
    assert_eq!(names, ["beside", "blob", "root"]);
    assert_eq!(fs::read(beside).expect("it is ours"), b"beside");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_corpus_holds() {
        let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
        for (name, target) in TARGETS {
            let mut count = 0;
            for file in fs::read_dir(corpora.join(name)).unwrap() {
                let file = file.unwrap().path();
                println!("{}", file.display());
                target(&fs::read(file).unwrap());
                count += 1;
            }
            assert_ne!(count, 0, "{name} has a corpus");
        }
    }

    #[test]
    fn each_target_has_a_program() {
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets");
        for (name, _) in TARGETS {
            let program = fs::read_to_string(programs.join(name).with_extension("rs")).unwrap();
            assert!(program.contains(&format!("hotfn_images::fuzzing::{name}(bytes)")), "{name}");
        }
    }
}
