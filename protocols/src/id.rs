//! The names of calls and functions.

use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ulid::Generator;

/// The name of one call: 26 characters of Crockford's base 32, sortable by time of making.
///
/// Clients treat it as opaque. It is made where a call enters and never taken from a caller.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CallId([u8; ulid::ULID_LEN]);

impl CallId {
    /// The length of a name.
    pub const BYTES: usize = ulid::ULID_LEN;

    /// Makes a name that no other call has.
    #[must_use]
    pub fn new() -> Self {
        // One generator a thread: names sort in the order a thread made them, and no lock is shared.
        thread_local!(static NAMES: RefCell<Generator> = const { RefCell::new(Generator::new()) });
        let name = NAMES.with_borrow_mut(|names| match names.generate() {
            Ok(name) => name,
            Err(overflow) => overflow.commit_overflow_random(),
        });
        let mut text = [0; ulid::ULID_LEN];
        name.array_to_str(&mut text);
        Self(text)
    }

    /// The 26 characters, which are ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// The same as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base 32 is ASCII")
    }
}

/// A text that no call can have for a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a call's id has {} characters, digits and upper case letters without I, L, O and U", CallId::BYTES)]
pub struct NoCallId;

/// For what was written down and is read back, and to ask for a call by its name.
impl FromStr for CallId {
    type Err = NoCallId;

    fn from_str(text: &str) -> Result<Self, NoCallId> {
        let mut name = [0; ulid::ULID_LEN];
        ulid::Ulid::from_string(text).map_err(|_| NoCallId)?.array_to_str(&mut name);
        // A name has one spelling, and the parser takes several.
        if name == text.as_bytes() { Ok(Self(name)) } else { Err(NoCallId) }
    }
}

impl Default for CallId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a function, cheap to clone.
///
/// Opaque here: whoever deploys the function chooses it.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FunctionId(Arc<str>);

impl FunctionId {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for FunctionId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for FunctionId {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl std::borrow::Borrow<str> for FunctionId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for FunctionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for FunctionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calls_name_is_read_back_in_its_one_spelling() {
        let id = CallId::new();
        assert_eq!(id.as_str().parse(), Ok(id));
        for text in
            ["", "f", &id.as_str().to_lowercase(), &id.as_str()[1..], "0000000000000000000000000I", &"Z".repeat(26)]
        {
            assert_eq!(text.parse::<CallId>(), Err(NoCallId), "{text}");
        }
    }
}
