//! What can be asked of `cargo xtask bench hot`.

use anyhow::{Context, Result, bail};

use super::part::{Cores, Part};

/// Bytes of the bodies that come and go.
pub(crate) const MIB: u64 = 1 << 20;

/// What to measure, and how long.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) cores: Vec<Cores>,
    /// Those that were named; all that are worth it otherwise.
    only: Option<Vec<Part>>,
    pub(crate) rounds: u32,
    pub(crate) seconds: u32,
    pub(crate) connections: Vec<u32>,
    pub(crate) bodies: Vec<u64>,
    pub(crate) formats: Vec<String>,
    pub(crate) containers: Vec<u32>,
    pub(crate) functions: u32,
    pub(crate) profile: String,
    pub(crate) write_docs: bool,
}

impl Options {
    /// Reads the words after `bench hot`.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            let mut value = || words.next().copied().with_context(|| format!("{word} wants a value"));
            match word {
                "--pinned" => options.cores = vec![Cores::One],
                "--free" => options.cores = vec![Cores::All],
                "--quick" => options.rounds = 1,
                "--rounds" => options.rounds = number(word, value()?)?,
                "--seconds" => options.seconds = number(word, value()?)?,
                "--only" => options.only = Some(list(word, value()?, |_, part| part.parse())?),
                "--connections" => options.connections = list(word, value()?, number)?,
                "--bodies" => options.bodies = list(word, value()?, size)?,
                "--formats" => options.formats = list(word, value()?, |_, format| Ok(format.to_owned()))?,
                "--containers" => options.containers = list(word, value()?, number)?,
                "--functions" => options.functions = number(word, value()?)?,
                "--profile" => options.profile = value()?.to_owned(),
                "--write-docs" => options.write_docs = true,
                _ => bail!("unknown option {word:?}; `cargo xtask help` lists them"),
            }
        }
        Ok(options)
    }

    /// Is this part to be measured on these cores?
    pub(crate) fn wants(&self, part: Part, cores: Cores) -> bool {
        match &self.only {
            Some(only) => only.contains(&part) && (part.worth(cores) || self.cores.len() == 1),
            None => part.worth(cores),
        }
    }

    /// How it was measured, as a sentence.
    pub(crate) fn method(&self) -> String {
        format!(
            "medians of {} rounds of {} s, programs built with `--profile {}`",
            self.rounds, self.seconds, self.profile
        )
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cores: vec![Cores::One, Cores::All],
            only: None,
            rounds: 5,
            seconds: 1,
            connections: vec![1, 8, 64, 512],
            bodies: vec![16, 4 << 10, 64 << 10, MIB, 100 * MIB],
            formats: ["http-stream", "http", "json", "cloudevent", "default"].map(str::to_owned).to_vec(),
            containers: vec![1, 100, 500],
            functions: 2000,
            profile: "dist".to_owned(),
            write_docs: false,
        }
    }
}

/// A size, for a person.
pub(crate) fn size_title(bytes: u64) -> String {
    match bytes {
        _ if bytes >= MIB && bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        _ if bytes >= 1024 && bytes.is_multiple_of(1024) => format!("{} KiB", bytes / 1024),
        _ => format!("{bytes} B"),
    }
}

fn list<T>(option: &str, words: &str, read: impl Fn(&str, &str) -> Result<T>) -> Result<Vec<T>> {
    words.split(',').map(|word| read(option, word.trim())).collect()
}

fn number(option: &str, word: &str) -> Result<u32> {
    match word.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => bail!("{option} wants a number above 0, not {word:?}"),
    }
}

/// `16`, `64K`, `100M`.
fn size(option: &str, word: &str) -> Result<u64> {
    let (digits, unit) = match word.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 1 << 10),
        None => word.strip_suffix(['M', 'm']).map_or((word, 1), |digits| (digits, MIB)),
    };
    Ok(u64::from(number(option, digits).with_context(|| format!("{word:?} is no size such as 16, 64K or 100M"))?)
        * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_choose_what_is_measured() {
        let options = Options::parse(&["--pinned", "--only", "latency,cold", "--bodies", "16,64K,1M"]).unwrap();
        assert!(options.wants(Part::Latency, Cores::One) && !options.wants(Part::Bodies, Cores::One));
        assert_eq!(options.bodies, [16, 65536, MIB]);
    }

    #[test]
    fn a_part_that_is_a_size_is_measured_on_one_core_unless_told() {
        let both = Options::parse(&[]).unwrap();
        assert!(both.wants(Part::Memory, Cores::One) && !both.wants(Part::Memory, Cores::All));
        let told = Options::parse(&["--free", "--only", "memory"]).unwrap();
        assert!(told.wants(Part::Memory, Cores::All));
    }

    #[test]
    fn wrong_words_are_told() {
        let told = |words: &[&str]| format!("{:#}", Options::parse(words).unwrap_err());
        assert_eq!(told(&["--fast"]), "unknown option \"--fast\"; `cargo xtask help` lists them");
        assert_eq!(told(&["--rounds", "0"]), "--rounds wants a number above 0, not \"0\"");
        assert_eq!(told(&["--seconds"]), "--seconds wants a value");
        assert!(told(&["--only", "all"]).starts_with("unknown part \"all\"; there are latency, "));
    }

    #[test]
    fn sizes_read_as_they_are_written() {
        assert_eq!([16, 4096, 100 * MIB].map(size_title), ["16 B", "4 KiB", "100 MiB"]);
    }
}
