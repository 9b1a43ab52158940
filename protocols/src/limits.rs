//! The bounds a format is told at birth.

/// How much of what a format lets through. What happens at each bound is the format's to say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Most bytes of a call's body; `None` for no bound. Beyond it the caller gets
    /// `request_too_large` and the container stays. Default: none, as in Fn.
    pub request_bytes_max: Option<u64>,
    /// Most bytes of an answer's body; `None` for no bound. Exactly the bound is allowed.
    /// Default: none, as in Fn.
    pub response_bytes_max: Option<u64>,
    /// Most bytes of an answer's head: status line and headers together. Default: 1 MiB.
    pub response_head_bytes_max: usize,
    /// Most headers an answer may have. Default: 256.
    pub response_headers_max: usize,
    /// Most bytes of one JSON document, either way. Such a format holds bodies whole, so this
    /// bounds its memory. Default: 32 MiB.
    pub document_bytes_max: usize,
    /// An answer up to this long is held back until it is known to be whole, so that a late
    /// failure can still become an error instead of a cut answer. Default: 64 KiB.
    pub hold_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes_max: None,
            response_bytes_max: None,
            response_head_bytes_max: 1 << 20,
            response_headers_max: 256,
            document_bytes_max: 32 << 20,
            hold_bytes_max: 64 << 10,
        }
    }
}
