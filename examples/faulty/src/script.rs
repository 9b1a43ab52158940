//! What a function is told to do: steps, each a word and what belongs to it.

use anyhow::Context as _;

/// One step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Step<'s> {
    pub(crate) word: &'s str,
    pub(crate) rest: &'s str,
}

/// The steps of a script.
pub(crate) fn steps(script: &str) -> impl Iterator<Item = Step<'_>> {
    script.split(';').map(str::trim_start).filter(|step| !step.trim().is_empty()).map(|step| {
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        Step { word: word.trim(), rest }
    })
}

impl Step<'_> {
    /// The number that belongs to it.
    pub(crate) fn number(&self) -> anyhow::Result<u64> {
        self.rest.trim().parse().with_context(|| format!("{} wants a number, not {:?}", self.word, self.rest))
    }

    /// The bytes that belong to it: `%0d` is one.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut text = self.rest;
        while let Some((before, after)) = text.split_once('%') {
            bytes.extend_from_slice(before.as_bytes());
            let code = after.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
            bytes.push(code.unwrap_or(b'%'));
            text = if code.is_some() { &after[2..] } else { after };
        }
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_a_word_and_a_rest() {
        let found: Vec<_> = steps(" ok; pause 50 ;send a%0d%0Ab%zz c ;; ").collect();
        assert_eq!(found.iter().map(|step| step.word).collect::<Vec<_>>(), ["ok", "pause", "send"]);
        assert_eq!(found[1].number().unwrap(), 50);
        assert_eq!(found[2].bytes(), b"a\r\nb%zz c ");
        assert!(found[0].number().is_err());
    }
}
