//! What others write, told as they write it.
//!
//! A node asks a store twice a second what changed, and that is enough to follow it. A database that can tell
//! saves those who wait that half second. Nothing depends on it: while there is nobody to tell, the asking goes
//! on as before.

#[cfg(feature = "postgres")]
use super::postgres::Listener;

/// Tells when somebody may have written.
#[derive(Debug, Default)]
pub struct Told {
    #[cfg(feature = "postgres")]
    pub(super) by: Option<Listener>,
}

impl Told {
    /// Resolves when somebody may have written since it last did; never, where the database does not tell. Cancel
    /// safe: what was told meanwhile is told the next time.
    pub async fn next(&self) {
        #[cfg(feature = "postgres")]
        if let Some(listener) = &self.by {
            return listener.next().await;
        }
        std::future::pending().await
    }
}
