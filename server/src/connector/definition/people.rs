//! Users and groups as options name them.

use crate::connector::options::{Invalid, Options};
use crate::people::{self, GROUPS, USERS};

/// A user, by name or number.
pub(super) fn user(options: &mut Options, key: &str) -> Result<Option<u32>, Invalid> {
    id(options, key, USERS)
}

/// A group, by name or number.
pub(super) fn group(options: &mut Options, key: &str) -> Result<Option<u32>, Invalid> {
    id(options, key, GROUPS)
}

fn id(options: &mut Options, key: &str, file: &str) -> Result<Option<u32>, Invalid> {
    let Some(value) = options.take(key) else { return Ok(None) };
    let number = value.as_u64().and_then(|n| u32::try_from(n).ok());
    let found = number.or_else(|| people::id(value.as_str()?, file));
    let unknown = || Invalid::new(key, format!("{value} is not in {file}; write a name of there or a number"));
    found.ok_or_else(unknown).map(Some)
}
