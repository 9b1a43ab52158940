//! Where in a config file something stands, in a person's words: line and key.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use toml::Spanned;

use super::{Refused, function as limit, redact};
use crate::tls;

/// Finds lines and keys in the text, to tell a person where to look.
pub(super) struct Place<'a> {
    pub(super) text: &'a str,
    pub(super) path: &'a Path,
}

impl Place<'_> {
    /// The whole text, as `T` has it.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        toml::from_str(self.text).map_err(|e| self.refuse(e.span().map_or(0, |span| span.start), e.message()))
    }

    /// Says what is the matter with what stands at `at`. A value that it quotes may be a URL with a password.
    pub(super) fn refuse(&self, at: usize, what: impl AsRef<str>) -> Refused {
        let what = redact::urls(what.as_ref()).into_owned();
        Refused { file: self.path.to_owned(), line: self.line(at), key: self.key(at), what }
    }

    pub(super) fn check<V, T>(
        &self,
        value: &Spanned<V>,
        rule: impl FnOnce(&V) -> Result<T, String>,
    ) -> Result<T, Refused> {
        rule(value.get_ref()).map_err(|what| self.refuse(value.span().start, what))
    }

    /// A number within `range`, if one is given.
    pub(super) fn number(
        &self,
        value: Option<Spanned<i64>>,
        range: RangeInclusive<u64>,
        unit: &str,
    ) -> Result<Option<u64>, Refused> {
        value.map(|value| self.check(&value, |&v| limit::within(v, range, unit))).transpose()
    }

    /// As a [`number`](Self::number), of things in memory.
    pub(super) fn size(
        &self,
        value: Option<Spanned<i64>>,
        range: RangeInclusive<u64>,
        unit: &str,
    ) -> Result<Option<usize>, Refused> {
        Ok(self.number(value, range, unit)?.map(|n| usize::try_from(n).unwrap_or(usize::MAX)))
    }

    /// As a [`number`](Self::number), of things that are few.
    pub(super) fn small(
        &self,
        value: Option<Spanned<i64>>,
        range: RangeInclusive<u64>,
        unit: &str,
    ) -> Result<Option<u32>, Refused> {
        Ok(self.number(value, range, unit)?.map(|n| u32::try_from(n).unwrap_or(u32::MAX)))
    }

    /// As a [`number`](Self::number), of seconds.
    pub(super) fn seconds(
        &self,
        value: Option<Spanned<i64>>,
        range: RangeInclusive<u64>,
    ) -> Result<Option<Duration>, Refused> {
        Ok(self.number(value, range, "s")?.map(Duration::from_secs))
    }

    pub(super) fn line(&self, at: usize) -> usize {
        self.before(at).matches('\n').count() + 1
    }

    /// The key whose value is at `at`. It stands before the value on the same line, or, as an
    /// array may run over many lines, on one above; a table as a whole is named by its header.
    pub(super) fn key(&self, at: usize) -> String {
        let line = self.before(at).rfind('\n').map_or(0, |newline| newline + 1);
        let own = self.text[line..].lines().next();
        let above = self.text[..line].lines().rev();
        own.into_iter().chain(above).find_map(key_of).unwrap_or_default().to_owned()
    }

    /// Where `key` is set in the table whose header is at `header`, if on a line of its own.
    pub(super) fn find(&self, header: usize, key: &str) -> Option<usize> {
        let mut at = self.before(header).rfind('\n').map_or(0, |newline| newline + 1);
        for (n, line) in self.text[at..].split_inclusive('\n').enumerate() {
            if n > 0 && line.trim_start().starts_with('[') {
                return None;
            }
            if key_of(line) == Some(key) {
                return Some(at);
            }
            at += line.len();
        }
        None
    }

    /// A path in the file, which is relative to the file's folder.
    pub(super) fn beside(&self, path: &Path) -> PathBuf {
        self.path.parent().map_or_else(|| path.to_owned(), |folder| folder.join(path))
    }

    /// A certificate and its key, which are given together or not at all.
    pub(super) fn tls(
        &self,
        certificate: Option<&Spanned<PathBuf>>,
        key: Option<&Spanned<PathBuf>>,
    ) -> Result<Option<tls::Files>, Refused> {
        match (certificate, key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => {
                let [certificate, key] = [certificate, key].map(|path| self.beside(path.get_ref()));
                Ok(Some(tls::Files { certificate, key }))
            }
            (Some(alone), None) | (None, Some(alone)) => {
                let what = "it needs the other of tls_certificate and tls_key beside it";
                Err(self.refuse(alone.span().start, what))
            }
        }
    }

    fn before(&self, at: usize) -> &str {
        &self.text[..self.text.floor_char_boundary(at)]
    }
}

fn key_of(line: &str) -> Option<&str> {
    let line = line.trim();
    let is_header = line.starts_with('[') && line.ends_with(']');
    let is_element = line.ends_with(',') || line.starts_with(']');
    match line.split_once('=') {
        Some((key, _)) if !is_element => Some(key.trim()),
        _ => is_header.then_some(line),
    }
}
