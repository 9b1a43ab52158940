//! The names of calls and functions.

use std::cell::RefCell;
use std::fmt;
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
