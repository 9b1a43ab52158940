//! Patterns with stars.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A text in which `*` stands for any bytes. In a path `*` stays within one name and `**` goes
/// across; a path that ends in `/**` is also the directory before that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern {
    text: String,
    is_path: bool,
}

impl Pattern {
    /// For names and arguments.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_path: false }
    }

    /// For paths.
    #[must_use]
    pub fn path(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_path: true }
    }

    /// Is there no star in it?
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.text.contains('*')
    }

    /// Does this path look like it? It must be one without links and `..`.
    #[must_use]
    pub fn fits_path(&self, path: &Path) -> bool {
        let path = path.as_os_str().as_bytes();
        let dir = self.text.strip_suffix("/**");
        self.fits(path) || dir.is_some_and(|dir| Self::path(if dir.is_empty() { "/" } else { dir }).fits(path))
    }

    /// Do these bytes look like it?
    #[must_use]
    pub fn fits(&self, bytes: &[u8]) -> bool {
        let mut pattern = self.text.as_bytes();
        let mut rest = bytes;
        // Where to go on with one byte more in the star, of the last of each kind: first the one that
        // stays within a name, and when that is at its end, the one that goes across.
        let mut within: Option<(&[u8], &[u8])> = None;
        let mut across: Option<(&[u8], &[u8])> = None;
        loop {
            match (pattern, rest) {
                ([b'*', b'*', more @ ..], _) => {
                    (across, within) = (Some((more, rest)), None);
                    pattern = more;
                    continue;
                }
                ([b'*', more @ ..], _) => {
                    *(if self.is_path { &mut within } else { &mut across }) = Some((more, rest));
                    pattern = more;
                    continue;
                }
                ([], []) => return true,
                ([wanted, more @ ..], [byte, tail @ ..]) if wanted == byte => {
                    (pattern, rest) = (more, tail);
                    continue;
                }
                _ => {}
            }
            if let Some((more, [byte, tail @ ..])) = within
                && *byte != b'/'
            {
                within = Some((more, tail));
                (pattern, rest) = (more, tail);
            } else if let Some((more, [_, tail @ ..])) = across {
                (across, within) = (Some((more, tail)), None);
                (pattern, rest) = (more, tail);
            } else {
                return false;
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_in_a_text_is_anything() {
        for (pattern, text, fits) in [
            ("LC_*", "LC_ALL", true),
            ("LC_*", "LC_", true),
            ("LC_*", "LANG", false),
            ("-c*", "-cfoo/bar", true),
            ("-c*", "--config", false),
            ("*=*x", "a=bxcx", true),
            ("*=*x", "a=bxc", false),
            ("a*b*c", "aXbYbZc", true),
            ("", "", true),
            ("", "x", false),
            ("*", "", true),
        ] {
            assert_eq!(Pattern::text(pattern).fits(text.as_bytes()), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn a_star_in_a_path_is_within_a_name_and_two_are_not() {
        for (pattern, path, fits) in [
            ("/usr/bin/*", "/usr/bin/git", true),
            ("/usr/bin/*", "/usr/bin/x/git", false),
            ("/usr/bin/*", "/usr/binary", false),
            ("/srv/work/**", "/srv/work/a/b", true),
            ("/srv/work/**", "/srv/work", true),
            ("/srv/work/**", "/srv/workshop", false),
            ("/**", "/", true),
            ("/**", "/a", true),
            ("/opt/*/bin/*", "/opt/a/bin/b", true),
            ("/opt/*/bin/*", "/opt/a/c/bin/b", false),
            ("/opt/**/bin/*", "/opt/a/c/bin/b", true),
            ("/opt/**/b*n/x", "/opt/bun/a/bin/x", true),
        ] {
            assert_eq!(Pattern::path(pattern).fits_path(Path::new(path)), fits, "{pattern} {path}");
        }
    }
}
