//! The places below an app, each of which calls a function: exact ones, and prefixes.

use std::collections::{BTreeMap, HashMap};

use hotfn_protocols::FunctionId;

/// What calls the functions of an app.
///
/// A request's path is looked up as it came, without a copy, and however long it is, at no more places than there
/// are lengths of prefixes.
#[derive(Debug, Default)]
pub(super) struct Sources {
    exact: HashMap<String, FunctionId>,
    /// By their prefix, which ends with a slash.
    below: HashMap<String, FunctionId>,
    /// The lengths of these prefixes, in bytes, with how many have each.
    lengths: BTreeMap<usize, usize>,
}

impl Sources {
    /// Whom `path` calls: what is exactly this path comes before any prefix, and the longest prefix before others.
    pub(super) fn find(&self, path: &str) -> Option<&FunctionId> {
        if let Some(function) = self.exact.get(path) {
            return Some(function);
        }
        let lengths = self.lengths.range(..=path.len()).rev();
        let prefixes = lengths.filter(|&(&length, _)| path.as_bytes()[length - 1] == b'/');
        prefixes.map(|(&length, _)| &path[..length]).find_map(|prefix| self.below.get(prefix))
    }

    pub(super) fn insert(&mut self, source: &str, function: FunctionId) {
        match prefix(source) {
            Some(prefix) => {
                if self.below.insert(prefix.to_owned(), function).is_none() {
                    *self.lengths.entry(prefix.len()).or_default() += 1;
                }
            }
            None => drop(self.exact.insert(source.to_owned(), function)),
        }
    }

    /// Takes away what `source` calls, if that is `function`.
    pub(super) fn forget(&mut self, source: &str, function: &FunctionId) {
        let Some(prefix) = prefix(source) else {
            if self.exact.get(source) == Some(function) {
                self.exact.remove(source);
            }
            return;
        };
        if self.below.get(prefix) == Some(function) {
            self.below.remove(prefix);
            let count = self.lengths.entry(prefix.len()).or_default();
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.lengths.remove(&prefix.len());
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.below.is_empty()
    }
}

/// What paths begin with that `source` stands for, if it stands for more than itself.
fn prefix(source: &str) -> Option<&str> {
    source.strip_suffix('*').filter(|prefix| prefix.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Of all prefixes that a path begins with, it calls the longest.
        #[test]
        fn the_longest_prefix_wins(sources in prop::collection::vec("(/[ab\u{e9}]{0,2}){0,3}/\\*?", 0..6), path in "(/[ab\u{e9}]{0,2}){0,4}/?") {
            let path = if path.is_empty() { "/" } else { &path };
            let mut by_source = Sources::default();
            for source in &sources {
                by_source.insert(source, source.as_str().into());
            }
            let rank = |source: &&String| match prefix(source) {
                Some(prefix) if path.starts_with(prefix) => Some(prefix.len()),
                None if *source == path => Some(usize::MAX),
                _ => None,
            };
            let expected = sources.iter().filter(|source| rank(source).is_some()).max_by_key(rank);
            prop_assert_eq!(by_source.find(path).map(FunctionId::as_str), expected.map(String::as_str));
            for source in &sources {
                by_source.forget(source, &source.as_str().into());
            }
            prop_assert!(by_source.is_empty() && by_source.lengths.is_empty());
        }
    }
}
