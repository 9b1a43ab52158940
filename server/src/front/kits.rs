//! Which kits the functions that answer were made with, by what their answers say: `Fn-Fdk-Version: fdk-go/0.0.66`.
//!
//! A function may write there whatever it likes, and in every answer something else. So only what looks like the
//! version of a kit is taken, of so many different ones at most, and the rest are one: [`Kit::OTHER`]. Who has been
//! met keeps his number, so a call compares what it says with a few names and takes neither memory nor a lock.

use std::sync::OnceLock;

/// Most kits and versions that are told apart.
pub(super) const KITS_MAX: usize = 16;

/// Most bytes of a kit's name and version.
const NAME_BYTES_MAX: usize = 48;

/// How many different numbers there are.
pub(super) const NUMBERS: usize = KITS_MAX + 2;

/// The kits that were met, in the order in which they were.
#[derive(Debug, Default)]
pub(super) struct Kits([OnceLock<Box<str>>; KITS_MAX]);

/// A kit of some version, by its number.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Kit(usize);

impl Kit {
    /// The answer says nothing.
    pub(super) const NONE: Self = Self(0);
    /// It says something that is not looked at further.
    pub(super) const OTHER: Self = Self(1);
    const FIRST: usize = 2;

    /// Its number, below [`NUMBERS`].
    pub(super) fn number(self) -> usize {
        self.0
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..NUMBERS).map(Self)
    }
}

impl Kits {
    /// The kit of an answer that says this. Every call passes here.
    pub(super) fn of(&self, said: Option<&[u8]>) -> Kit {
        let Some(said) = said else { return Kit::NONE };
        for (n, kit) in self.0.iter().enumerate() {
            match kit.get() {
                Some(name) if name.as_bytes() == said => return Kit(Kit::FIRST + n),
                Some(_) => {}
                None => return self.meet(said),
            }
        }
        Kit::OTHER
    }

    /// What it is called.
    pub(super) fn name(&self, kit: Kit) -> &str {
        match kit {
            Kit::NONE => "",
            Kit::OTHER => "other",
            Kit(n) => self.0[n - Kit::FIRST].get().map_or("", |name| name),
        }
    }

    #[cold]
    fn meet(&self, said: &[u8]) -> Kit {
        let Some(name) = std::str::from_utf8(said).ok().filter(|said| is_version(said)) else { return Kit::OTHER };
        // Others meet kits too, perhaps the same one, perhaps in the place that we want.
        let met = |kit: &OnceLock<Box<str>>| **kit.get_or_init(|| name.into()) == *name;
        self.0.iter().position(met).map_or(Kit::OTHER, |n| Kit(Kit::FIRST + n))
    }
}

/// Is it `fdk-LANGUAGE/VERSION`, and no longer than such names are?
fn is_version(said: &str) -> bool {
    let words = said.strip_prefix("fdk-").and_then(|rest| rest.split_once('/'));
    let is_word = |word: &str, signs: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || signs.contains(c))
    };
    said.len() <= NAME_BYTES_MAX
        && words.is_some_and(|(language, version)| is_word(language, "-_") && is_word(version, ".-_+"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_the_version_of_a_kit_is_told_by_its_name() {
        let check = |said: &str, expected: &str| {
            let kits = Kits::default();
            assert_eq!(kits.name(kits.of(Some(said.as_bytes()))), expected, "{said}");
        };
        check("fdk-go/0.0.66", "fdk-go/0.0.66");
        check("fdk-java/1.0.0-SNAPSHOT", "fdk-java/1.0.0-SNAPSHOT");
        check("fdk-asgi/0.6.2+git_1", "fdk-asgi/0.6.2+git_1");
        for odd in ["", "go/1", "fdk-/1", "fdk-go/", "fdk-go", "fdk-go/1 \"x\"", "fdk-go/1\n", "fdk-go/é", "fdk-a/b/c"]
        {
            check(odd, "other");
        }
        check(&format!("fdk-go/{}", "1".repeat(NAME_BYTES_MAX)), "other");
        let kits = Kits::default();
        assert_eq!(kits.name(kits.of(None)), "");
        assert_eq!(kits.of(Some(b"fdk-go/\xff")), Kit::OTHER);
    }

    #[test]
    fn a_kit_keeps_its_number_and_there_are_only_so_many() {
        let kits = Kits::default();
        let of = |n: usize| kits.of(Some(format!("fdk-x/{n}").as_bytes()));
        let numbers: Vec<Kit> = (0..KITS_MAX).map(of).collect();
        assert_eq!(of(KITS_MAX), Kit::OTHER);
        assert_eq!((0..KITS_MAX).map(of).collect::<Vec<_>>(), numbers);
        assert!(numbers.iter().all(|kit| (Kit::FIRST..NUMBERS).contains(&kit.number())));
        assert_eq!(kits.name(numbers[3]), "fdk-x/3");
    }

    #[test]
    fn threads_that_meet_the_same_kits_agree() {
        let kits = Kits::default();
        let meet = || (0..KITS_MAX).map(|n| kits.of(Some(format!("fdk-x/{n}").as_bytes()))).collect::<Vec<_>>();
        let all: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(meet)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(all.windows(2).all(|two| two[0] == two[1]), "{all:?}");
    }
}
