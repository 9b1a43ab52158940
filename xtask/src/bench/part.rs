//! What is measured, a part each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ledger::Figure;

/// One thing that is measured; in the order they run.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Part {
    Latency,
    Bodies,
    Formats,
    Fleet,
    Cost,
    Memory,
    Cold,
    Open,
    Unkind,
}

/// Which cores everything runs on.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cores {
    /// The first one: the measure of record, because it repeats.
    One,
    /// All: what a user sees.
    All,
}

impl Part {
    pub(crate) const ALL: [Self; 9] = [
        Self::Latency,
        Self::Bodies,
        Self::Formats,
        Self::Fleet,
        Self::Cost,
        Self::Memory,
        Self::Cold,
        Self::Open,
        Self::Unkind,
    ];

    /// How it is called on the command line and in files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Bodies => "bodies",
            Self::Formats => "formats",
            Self::Fleet => "fleet",
            Self::Cost => "cost",
            Self::Memory => "memory",
            Self::Cold => "cold",
            Self::Open => "open",
            Self::Unkind => "unkind",
        }
    }

    /// What its table is about, for a person.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Latency => "Calls of 16 bytes over kept-open connections",
            Self::Bodies => "Bodies sent and given back",
            Self::Formats => "The five formats",
            Self::Fleet => "Many containers, many functions",
            Self::Cost => "What a call takes of the processor",
            Self::Memory => "Memory",
            Self::Cold => "A first call, its process started for it",
            Self::Open => "Open load: calls on a schedule",
            Self::Unkind => "A quiet function beside unkind neighbours",
        }
    }

    /// Is it measured on these cores, when nobody chose? What is a count or a size, or is there to
    /// show the work of a call, is measured where it repeats.
    pub(crate) fn worth(self, cores: Cores) -> bool {
        match self {
            Self::Latency | Self::Bodies | Self::Cold | Self::Open | Self::Unkind => true,
            Self::Formats | Self::Fleet | Self::Cost | Self::Memory => cores == Cores::One,
        }
    }

    /// The figure whose ratios close a row, and to whom they are.
    pub(crate) fn compared(self) -> Option<(Figure, &'static [&'static str])> {
        match self {
            Self::Latency => Some((Figure::Rate, &["nginx", "floor"])),
            Self::Bodies => Some((Figure::Throughput, &["nginx", "floor"])),
            Self::Formats => Some((Figure::Rate, &["http-stream"])),
            Self::Fleet => Some((Figure::Rate, &["1 container"])),
            Self::Cold => Some((Figure::P50, &["by hand"])),
            Self::Open => Some((Figure::P99, &["nginx"])),
            Self::Unkind => Some((Figure::P99, &["undisturbed"])),
            Self::Cost | Self::Memory => None,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Part {
    type Err = anyhow::Error;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let names = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|part| part.name() == word);
        found.ok_or_else(|| anyhow::anyhow!("unknown part {word:?}; there are {}", names()))
    }
}

impl Cores {
    /// For a person.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::One => "all on one core",
            Self::All => "free to use all cores",
        }
    }
}
