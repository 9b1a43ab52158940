//! The names of the headers that a peer sends, remembered from one message to the next.
//!
//! One peer sends the same headers in the same order, over and over. To read a name is a table look-up for
//! each of its letters, and memory for each name that no standard knows; to see that it is the one that
//! stood there last time is one comparison. What does not match is read as if nothing was remembered.

use http::HeaderName;
use http::header::InvalidHeaderName;

/// Most names that are remembered, in the order in which they stood. Memory for them lasts as long as
/// the connection.
const NAMES_MAX: usize = 32;

/// The names of the message before.
#[derive(Debug, Default)]
pub(super) struct Recall {
    /// Each as it was spelled, and as it was read.
    names: Vec<(Box<str>, HeaderName)>,
}

impl Recall {
    /// The name that stands in line `at` of a head.
    pub(super) fn name(&mut self, at: usize, text: &str) -> Result<HeaderName, InvalidHeaderName> {
        if let Some((spelled, known)) = self.names.get(at)
            && **spelled == *text
        {
            return Ok(known.clone());
        }
        let name = HeaderName::from_bytes(text.as_bytes())?;
        let entry = (text.into(), name.clone());
        if let Some(other) = self.names.get_mut(at) {
            *other = entry;
        } else if at < NAMES_MAX {
            self.names.push(entry);
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_whether_it_was_remembered_or_not() {
        let mut recall = Recall::default();
        let heads: [&[&str]; 4] =
            [&["Content-Type", "X-Mine"], &["content-type", "x-mine", "Date"], &["X-Other", "X-Mine"], &["Date"]];
        for head in heads.iter().chain(&heads) {
            for (at, text) in head.iter().enumerate() {
                assert_eq!(recall.name(at, text).unwrap(), text.to_ascii_lowercase().as_str());
            }
        }
        assert!(recall.name(0, "no name").is_err());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut recall = Recall::default();
        for at in 0..10 * NAMES_MAX {
            recall.name(at, &format!("x-{at}")).unwrap();
        }
        assert_eq!(recall.names.len(), NAMES_MAX);
    }
}
