//! A value that is for its function and nobody else.

use std::fmt;

/// A value that no log shows: it has no way to be printed but to be revealed on purpose.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `value`.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for whoever is to have it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed_with_what_holds_it() {
        let function = crate::Function {
            secrets: [("KEY".to_owned(), Secret::new("opensesame"))].into(),
            ..crate::Function::new("f", "process:f")
        };
        let printed = format!("{function:?} {function:#?}");
        assert!(printed.contains("KEY") && !printed.contains("opensesame"), "{printed}");
    }
}
