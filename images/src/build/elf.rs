//! Does a program bring all that it needs?
//!
//! One that is linked to libraries names, in a header of its own, the loader that finds them. In an image
//! from scratch there is neither, and what the kernel says of it then, "no such file", misleads.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// What a program is, as far as an image from scratch cares.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// It needs a loader and libraries.
    Linked,
    /// It is no program of 64 bits for Linux, or not whole.
    None,
    /// It needs nothing.
    Static,
}

/// ELF, of 64 bits, little-endian: what every host of ours runs.
const START: [u8; 6] = [0x7f, b'E', b'L', b'F', 2, 1];
const HEADER_BYTES: usize = 64;
const PROGRAM_HEADER_BYTES: usize = 56;
/// The kind of header that names a loader.
const PT_INTERP: [u8; 4] = [3, 0, 0, 0];

/// Looks at the program in `file`.
pub(super) fn kind(file: &File) -> io::Result<Kind> {
    let mut header = [0; HEADER_BYTES];
    if !filled(file, &mut header, 0)? || !header.starts_with(&START) {
        return Ok(Kind::None);
    }
    let at = |from: usize| u64::from_le_bytes(header[from..from + 8].try_into().expect("eight bytes"));
    let half = |from: usize| u16::from_le_bytes(header[from..from + 2].try_into().expect("two bytes"));
    let (first, each, count) = (at(32), half(54), half(56));
    if usize::from(each) != PROGRAM_HEADER_BYTES || count == 0 {
        return Ok(Kind::None);
    }
    for n in 0..u64::from(count) {
        let mut program_header = [0; PROGRAM_HEADER_BYTES];
        let from = first.saturating_add(n * u64::from(each));
        if !filled(file, &mut program_header, from)? {
            return Ok(Kind::None);
        }
        if program_header.starts_with(&PT_INTERP) {
            return Ok(Kind::Linked);
        }
    }
    Ok(Kind::Static)
}

fn filled(file: &File, into: &mut [u8], from: u64) -> io::Result<bool> {
    match file.read_exact_at(into, from) {
        Err(e) if matches!(e.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput) => Ok(false),
        other => other.map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::program;

    #[test]
    fn a_program_is_known_by_its_headers() {
        let dir = tempfile::tempdir().unwrap();
        let check = |bytes: &[u8], expected| {
            let path = dir.path().join("program");
            fs::write(&path, bytes).unwrap();
            assert_eq!(kind(&File::open(path).unwrap()).unwrap(), expected);
        };
        let mut linked = program(b"");
        linked[HEADER_BYTES] = 3;
        let mut far = program(b"");
        far[32..40].fill(0xff);
        check(&program(b"code"), Kind::Static);
        check(&linked, Kind::Linked);
        check(&far, Kind::None);
        check(&linked[..100], Kind::None);
        check(b"#!/bin/sh\n", Kind::None);
        check(b"", Kind::None);
        let own = File::open(std::env::current_exe().unwrap()).unwrap();
        assert_ne!(kind(&own).unwrap(), Kind::None);
    }
}
