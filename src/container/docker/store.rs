//! What we have had an engine fetch, kept under a mark.
//!
//! The engine's store is shared with everybody else who uses it, so only images that this agent has
//! had fetched are ever removed, those first that were not needed for longest. The engine itself
//! refuses to remove one that a container is made of. What an agent has fetched is not known to
//! the next one: it belongs to the host then.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bollard::query_parameters::RemoveImageOptions;

use super::engine::{self, Engine};

/// What is kept. Plain data.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Keep {
    /// Bytes of images that were fetched, above which some are removed; 0: never. Default 0
    /// (`FN_IMAGE_CLEAN_MAX_SIZE`).
    pub bytes_max: u64,
    /// Names of images that stay (`FN_IMAGE_CLEAN_EXEMPT_TAGS`).
    pub exempt: Vec<String>,
}

/// Images that were fetched for us.
#[derive(Debug)]
pub(super) struct Fetched {
    keep: Keep,
    images: Mutex<HashMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    bytes: u64,
    needed: Instant,
}

impl Fetched {
    pub(super) fn new(keep: Keep) -> Self {
        Self { keep, images: Mutex::default() }
    }

    /// This one was fetched.
    pub(super) fn add(&self, name: &str) {
        self.images().insert(name.to_owned(), Entry { bytes: 0, needed: Instant::now() });
    }

    /// This one is so large. Of no interest if we have not fetched it.
    pub(super) fn seen(&self, name: &str, bytes: i64) {
        if let Some(entry) = self.images().get_mut(name) {
            entry.bytes = u64::try_from(bytes).unwrap_or_default();
        }
    }

    /// A container is made of this one.
    pub(super) fn need(&self, name: &str) {
        if let Some(entry) = self.images().get_mut(name) {
            entry.needed = Instant::now();
        }
    }

    /// Removes what is above the mark, and gives the names.
    pub(super) async fn clean(&self, engine: &Engine) -> Vec<String> {
        let mut removed = Vec::new();
        for name in self.surplus() {
            match engine.api.remove_image(&name, None::<RemoveImageOptions>, None).await {
                Err(e) if engine::status(&e) != Some(404) => {
                    tracing::debug!(image = name, "image stays: {}", engine::why(&e));
                }
                _ => {
                    tracing::info!(image = name, "image was not needed for longest and is removed");
                    self.images().remove(&name);
                    removed.push(name);
                }
            }
        }
        removed
    }

    /// What would have to go, longest not needed first; never the one that was needed last.
    fn surplus(&self) -> Vec<String> {
        let images = self.images();
        let mut bytes: u64 = images.values().map(|entry| entry.bytes).sum();
        if self.keep.bytes_max == 0 || bytes <= self.keep.bytes_max {
            return Vec::new();
        }
        let mut oldest: Vec<_> = images.iter().collect();
        oldest.sort_by_key(|(_, entry)| entry.needed);
        oldest.pop();
        let mut surplus = Vec::new();
        for (name, entry) in oldest {
            if bytes <= self.keep.bytes_max {
                break;
            }
            if !self.keep.exempt.contains(name) {
                bytes -= entry.bytes;
                surplus.push(name.clone());
            }
        }
        surplus
    }

    fn images(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetched(bytes_max: u64, exempt: &[&str]) -> Fetched {
        let exempt = exempt.iter().map(|name| (*name).to_owned()).collect();
        let fetched = Fetched::new(Keep { bytes_max, exempt });
        for name in ["a", "b", "c"] {
            fetched.add(name);
            fetched.seen(name, 10);
        }
        fetched.seen("not ours", 1000);
        fetched
    }

    #[test]
    fn what_was_not_needed_for_longest_goes_first() {
        assert_eq!(fetched(25, &[]).surplus(), ["a"]);
        assert_eq!(fetched(15, &[]).surplus(), ["a", "b"]);
        assert_eq!(fetched(1, &[]).surplus(), ["a", "b"], "the last one is in use");
        assert_eq!(fetched(25, &["a"]).surplus(), ["b"]);
        assert!(fetched(0, &[]).surplus().is_empty() && fetched(30, &[]).surplus().is_empty());
        let again = fetched(25, &[]);
        again.need("a");
        assert_eq!(again.surplus(), ["b"]);
    }
}
