//! Users and groups by name, as this machine's own files know them.
//!
//! Only those files: names that come from a directory elsewhere are given as numbers.

use std::path::Path;

use crate::connector::options::{Invalid, Options};

/// A user, by name or number.
pub(super) fn user(options: &mut Options, key: &str) -> Result<Option<u32>, Invalid> {
    id(options, key, Path::new("/etc/passwd"))
}

/// A group, by name or number.
pub(super) fn group(options: &mut Options, key: &str) -> Result<Option<u32>, Invalid> {
    id(options, key, Path::new("/etc/group"))
}

fn id(options: &mut Options, key: &str, file: &Path) -> Result<Option<u32>, Invalid> {
    let Some(value) = options.take(key) else { return Ok(None) };
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok()).and_then(|n| u32::try_from(n).ok());
    let found = number.or_else(|| find(file, value.as_str()?));
    let unknown =
        || Invalid::new(key, format!("{value} is not in {}; write a name of there or a number", file.display()));
    found.ok_or_else(unknown).map(Some)
}

/// The third field of the line that begins with this name.
fn find(file: &Path, name: &str) -> Option<u32> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        fields.nth(1)?.parse().ok()
    })
}
