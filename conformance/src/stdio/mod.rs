//! The function's side of the formats over standard input and output: the harness plays the agent.
//!
//! The contract numbers what an agent must do in these formats (154 to 171) and says of the other
//! side only what follows from that. So these numbers, from 201 on, are the harness's own. A case is
//! one thing in every format that has it.

mod call;
mod hostile;
mod hot;
mod one;
mod session;

use hotfn_protocols::Format;

use crate::case::Entry;
use crate::stage::Stage;

/// A case, and the formats that have it.
pub(super) struct InFormats(&'static [Format], Entry<Stage>);

const ALL: &[Format] = &[Format::Default, Format::Http, Format::Json, Format::CloudEvent];
const HOT: &[Format] = &[Format::Http, Format::Json, Format::CloudEvent];
const DOCUMENTS: &[Format] = &[Format::Json, Format::CloudEvent];

/// Every case that makes sense in `format`.
pub(crate) fn cases(format: Format) -> impl Iterator<Item = &'static Entry<Stage>> {
    let all = [one::CASES, hot::CASES, hostile::CASES].into_iter().flatten();
    let mut of: Vec<_> = all.filter(|entry| entry.0.contains(&format)).map(|entry| &entry.1).collect();
    of.sort_by_key(|entry| entry.case.number);
    of.into_iter()
}
