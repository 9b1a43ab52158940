//! A function's answer, whole.

use std::fmt;

use http::HeaderName;

use crate::check::{Run, holds};
use crate::function::orders::Told;
use crate::transcript::shortened;

/// Status, headers in the order they came, body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Every value of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let name = HeaderName::try_from(name).expect("cases name headers");
        let named = self.headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name.as_str()));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// Does the connection end with it?
    pub(crate) fn closes(&self) -> bool {
        self.all("connection").iter().any(|value| value.eq_ignore_ascii_case("close"))
    }

    /// For a sentence.
    pub(crate) fn brief(&self) -> String {
        format!("{} with {:?}", self.status, shortened(&self.body[..self.body.len().min(120)]))
    }

    /// Its status is `status`, or the contract is broken: `wants` says why it should be.
    pub(crate) fn is(self, status: u16, wants: &str) -> Run<Self> {
        holds!(self.status == status, "{wants}: the status must be {status}, but it was {}", self.brief());
        Ok(self)
    }

    /// The report in a 200.
    pub(crate) fn told(self) -> Run<Told> {
        Told::of(&self.is(200, "the order `report` is a success")?.body)
    }
}

/// As a transcript shows it, whatever its format.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        write!(f, "\n{}", String::from_utf8_lossy(&self.body))
    }
}
