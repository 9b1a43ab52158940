//! What came of a run, and how it is shown.
//!
//! The JSON is the stable form: names in it stay, new ones may be added, and `schema` changes its
//! number if that promise is ever broken. The others are for eyes, and for servers of builds.

mod html;
mod junit;
mod markdown;
mod text;

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::case::{Case, Level};
use crate::transcript::Line;

/// What a case came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The subject breaks this sentence of the contract.
    Broken,
    /// It keeps it.
    Held,
    /// This machine, or this subject, cannot tell.
    Untold,
}

/// One case, run.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The case.
    #[serde(flatten)]
    pub case: Case,
    /// What it came to.
    pub verdict: Verdict,
    /// Where it did not hold: why, in a sentence.
    pub why: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// What was said, shortened.
    pub transcript: Vec<Line>,
}

/// A case that was not run, since it cannot be with this subject.
#[derive(Clone, Debug, Serialize)]
pub struct LeftOut {
    /// The case.
    #[serde(flatten)]
    pub case: Case,
    /// What it would need, in a sentence.
    pub why: String,
}

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Names this form: [`Report::SCHEMA`].
    pub schema: &'static str,
    /// Which cases: the format of a function, or `agent`, `formats`, `server`.
    pub suite: &'static str,
    /// Who was tested.
    pub subject: String,
    /// How thoroughly.
    pub profile: String,
    /// What random bytes were made of.
    pub seed: u64,
    /// When, in UTC.
    pub started: String,
    /// For how long, in milliseconds.
    pub took_ms: u64,
    /// In the order of the cases' numbers.
    pub outcomes: Vec<Outcome>,
    /// What was not tried: nobody's merit, and nobody's fault.
    pub left_out: Vec<LeftOut>,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// A page that needs nothing else.
    Html,
    /// The stable form, for programs.
    Json,
    /// For servers of builds.
    Junit,
    /// For a repository.
    Markdown,
}

/// No report is written like that.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown report {0:?}; it is html, json, junit or md")]
pub struct UnknownForm(String);

impl Report {
    /// The name and number of the JSON form.
    pub const SCHEMA: &'static str = "hotfn-conformance/1";

    /// Does every case of `level` and above hold? One that could not be told does not.
    #[must_use]
    pub fn keeps(&self, level: Level) -> bool {
        self.outcomes.iter().all(|outcome| outcome.verdict == Verdict::Held || outcome.case.level > level)
    }

    /// How many of `level` came to `verdict`.
    #[must_use]
    pub fn count(&self, level: Level, verdict: Verdict) -> usize {
        self.outcomes.iter().filter(|o| o.case.level == level && o.verdict == verdict).count()
    }

    /// The table for a terminal, with the reason under each case that does not hold.
    #[must_use]
    pub fn to_text(&self) -> String {
        text::of(self)
    }

    /// Written as `form`.
    #[must_use]
    pub fn to(&self, form: Form) -> String {
        match form {
            Form::Html => html::of(self),
            Form::Json => serde_json::to_string_pretty(self).expect("a report is expressible in JSON"),
            Form::Junit => junit::of(self),
            Form::Markdown => markdown::of(self),
        }
    }

    /// The one line that says it all.
    #[must_use]
    pub fn verdict(&self) -> String {
        let broken = |level| self.count(level, Verdict::Broken);
        let untold = self.outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Untold).count();
        let held = self.outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Held).count();
        let parts = [
            (held, "held"),
            (broken(Level::Must), "MUST broken"),
            (broken(Level::Should), "SHOULD broken"),
            (broken(Level::Better), "could be better"),
            (untold, "could not be told"),
        ];
        let parts: Vec<_> =
            parts.iter().filter(|(count, _)| *count > 0).map(|(n, what)| format!("{n} {what}")).collect();
        let left_out = match self.left_out.len() {
            0 => String::new(),
            count => format!("; {count} left out"),
        };
        format!("{} cases: {}{left_out}", self.outcomes.len(), parts.join(", "))
    }
}

impl Outcome {
    /// How its verdict is shown: a broken BETTER is no fault.
    #[must_use]
    pub fn mark(&self) -> &'static str {
        match (self.verdict, self.case.level) {
            (Verdict::Held, _) => "ok",
            (Verdict::Broken, Level::Must) => "BROKEN",
            (Verdict::Broken, Level::Should) => "broken",
            (Verdict::Broken, Level::Better) => "no",
            (Verdict::Untold, _) => "?",
        }
    }
}

impl Form {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Html, "html"), (Self::Json, "json"), (Self::Junit, "junit"), (Self::Markdown, "md")];
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(Self::ALL.iter().find(|(form, _)| form == self).map_or("", |(_, name)| name))
    }
}

impl FromStr for Form {
    type Err = UnknownForm;

    fn from_str(name: &str) -> Result<Self, UnknownForm> {
        let known = Self::ALL.iter().find(|(_, known)| *known == name).map(|(form, _)| *form);
        known.ok_or_else(|| UnknownForm(name.to_owned()))
    }
}

/// For HTML and XML alike; what XML cannot say at all is shown as a replacement.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
