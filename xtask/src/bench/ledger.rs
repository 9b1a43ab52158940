//! What was seen: every figure of every round, and what they say together.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::part::{Cores, Part};

/// All that was measured, in the order it was.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Ledger {
    /// Whose figures these are.
    pub(crate) machine: String,
    /// How the programs were built, and how long and often each turn was.
    pub(crate) method: String,
    entries: Vec<Entry>,
}

/// One figure of one contender in one case, each round's.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Entry {
    #[serde(flatten)]
    pub(crate) key: Key,
    rounds: Vec<f64>,
    /// For readers of the file; made anew from the rounds whenever it is written.
    #[serde(flatten, skip_deserializing)]
    spread: Option<Spread>,
}

/// What a figure is a figure of.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Key {
    pub(crate) part: Part,
    pub(crate) cores: Cores,
    pub(crate) case: String,
    pub(crate) contender: String,
    pub(crate) figure: Figure,
}

/// What kind of figure it is; the unit is the name's end.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Figure {
    #[serde(rename = "calls_per_second")]
    Rate,
    /// Of the bodies, one way.
    #[serde(rename = "bytes_per_second")]
    Throughput,
    #[serde(rename = "p50_us")]
    P50,
    #[serde(rename = "p99_us")]
    P99,
    #[serde(rename = "p999_us")]
    P999,
    /// Processor time a call.
    FrontUserUs,
    FrontSystemUs,
    FunctionUserUs,
    FunctionSystemUs,
    /// Resident.
    MemoryBytes,
    /// The most resident during the turn, above what was before it.
    GrowthBytes,
    AllocationsPerCall,
    InstructionsPerCall,
}

/// What the rounds say together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Ledger {
    pub(crate) fn new(machine: String, method: String) -> Self {
        Self { machine, method, entries: Vec::new() }
    }

    /// One more round of a figure.
    pub(crate) fn add(&mut self, key: Key, value: f64) {
        match self.entries.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => entry.rounds.push(value),
            None => self.entries.push(Entry { key, rounds: vec![value], spread: None }),
        }
    }

    /// What all rounds of a figure say.
    pub(crate) fn spread(&self, key: &Key) -> Option<Spread> {
        Spread::of(self.rounds(key)?.to_vec())
    }

    /// The ratio of two figures, taken round by round: what the machine did meanwhile hit both.
    pub(crate) fn ratio(&self, of: &Key, to: &Key) -> Option<Spread> {
        Spread::of(self.rounds(of)?.iter().zip(self.rounds(to)?).map(|(of, to)| of / to).collect())
    }

    /// The figures of one part on some cores, in the order they were taken.
    pub(crate) fn of(&self, part: Part, cores: Cores) -> impl Iterator<Item = &Key> {
        self.entries.iter().map(|entry| &entry.key).filter(move |key| key.part == part && key.cores == cores)
    }

    /// Puts what `newer` has in the place of the same parts here. Ratios are taken within a part, so
    /// parts of different runs may stand side by side.
    pub(crate) fn renew(&mut self, newer: Self) {
        let anew = |key: &Key| newer.of(key.part, key.cores).next().is_some();
        self.entries.retain(|entry| !anew(&entry.key));
        self.entries.extend(newer.entries);
        (self.machine, self.method) = (newer.machine, newer.method);
    }

    /// What an earlier run wrote, if there was one.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let ledger = serde_json::from_str(&text);
        ledger.map(Some).with_context(|| format!("{} is of another version; remove it", path.display()))
    }

    /// For programs, and for the next run.
    pub(crate) fn write(&mut self, path: &Path) -> Result<()> {
        for entry in &mut self.entries {
            entry.spread = Spread::of(entry.rounds.clone());
        }
        let text = serde_json::to_string_pretty(self).expect("figures and names are JSON");
        fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }

    fn rounds(&self, key: &Key) -> Option<&[f64]> {
        self.entries.iter().find(|entry| entry.key == *key).map(|entry| entry.rounds.as_slice())
    }
}

impl Key {
    /// The same case's, of another contender.
    pub(crate) fn by(&self, contender: &str) -> Self {
        Self { contender: contender.to_owned(), ..self.clone() }
    }

    /// The same contender's, of another kind.
    pub(crate) fn figure(&self, figure: Figure) -> Self {
        Self { figure, ..self.clone() }
    }
}

impl Figure {
    /// What stands above a column.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Rate => "calls/s",
            Self::Throughput => "MB/s",
            Self::P50 => "p50 µs",
            Self::P99 => "p99 µs",
            Self::P999 => "p99.9 µs",
            Self::FrontUserUs => "front user µs",
            Self::FrontSystemUs => "system µs",
            Self::FunctionUserUs => "function user µs",
            Self::FunctionSystemUs => "its system µs",
            Self::MemoryBytes => "memory KiB",
            Self::GrowthBytes => "growth KiB",
            Self::AllocationsPerCall => "allocations",
            Self::InstructionsPerCall => "instructions",
        }
    }

    /// A value of this kind, for a person.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Rate | Self::InstructionsPerCall => significant(value),
            Self::Throughput => significant(value / 1e6),
            Self::P50 | Self::P99 | Self::P999 if value >= 100.0 => format!("{value:.0}"),
            Self::P50 | Self::P99 | Self::P999 | Self::AllocationsPerCall => format!("{value:.1}"),
            Self::FrontUserUs | Self::FrontSystemUs | Self::FunctionUserUs | Self::FunctionSystemUs => {
                format!("{value:.2}")
            }
            Self::MemoryBytes | Self::GrowthBytes => significant(value / 1024.0),
        }
    }
}

impl Spread {
    fn of(mut rounds: Vec<f64>) -> Option<Self> {
        rounds.sort_by(f64::total_cmp);
        let middle = rounds.len() / 2;
        let upper = *rounds.get(middle)?;
        let median = if rounds.len() % 2 == 1 { upper } else { f64::midpoint(rounds[middle - 1], upper) };
        Some(Self { median, min: rounds[0], max: rounds[rounds.len() - 1] })
    }
}

fn significant(value: f64) -> String {
    if value.abs() < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(part: Part, contender: &str) -> Key {
        Key { part, cores: Cores::One, case: "64".into(), contender: contender.into(), figure: Figure::Rate }
    }

    fn ledger(figures: &[(Part, &str, f64)]) -> Ledger {
        let mut ledger = Ledger::default();
        figures.iter().for_each(|&(part, contender, value)| ledger.add(key(part, contender), value));
        ledger
    }

    #[test]
    fn the_middle_round_is_the_median() {
        assert_eq!(Spread::of(vec![]), None);
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(Spread::of(vec![4.0, 1.0, 3.0, 2.0]).unwrap().median, 2.5);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let rows = [("a", 10.0), ("b", 5.0), ("a", 30.0), ("b", 10.0), ("a", 20.0), ("b", 10.0)];
        let ledger = ledger(&rows.map(|(contender, value)| (Part::Latency, contender, value)));
        let ratio = ledger.ratio(&key(Part::Latency, "a"), &key(Part::Latency, "b")).unwrap();
        assert_eq!(ratio, Spread { median: 2.0, min: 2.0, max: 3.0 });
        assert_eq!(ledger.ratio(&key(Part::Latency, "a"), &key(Part::Latency, "c")), None);
    }

    #[test]
    fn a_part_measured_anew_replaces_that_part_only() {
        let mut kept = ledger(&[(Part::Latency, "a", 1.0), (Part::Bodies, "a", 1.0)]);
        kept.renew(ledger(&[(Part::Latency, "a", 2.0)]));
        assert_eq!(kept.spread(&key(Part::Latency, "a")).unwrap().median, 2.0);
        assert_eq!(kept.spread(&key(Part::Bodies, "a")).unwrap().median, 1.0);
    }

    #[test]
    fn the_file_is_read_as_it_was_written() {
        let path = std::env::temp_dir().join(format!("ledger-{}.json", std::process::id()));
        ledger(&[(Part::Open, "a", 1.5), (Part::Open, "a", 2.5)]).write(&path).unwrap();
        let read = Ledger::read(&path).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read.spread(&key(Part::Open, "a")).unwrap().median, 2.0);
    }
}
