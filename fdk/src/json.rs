//! JSON, in and out.

/// A value that arrives or leaves as JSON.
///
/// As input it is read whatever the content type says; as output it says `application/json`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Json<T>(pub T);
