//! For servers of builds: a broken BETTER is no failure there either.

use std::fmt::Write as _;

use super::text::seconds;
use super::{Report, Verdict, escaped};
use crate::case::Level;

pub(super) fn of(report: &Report) -> String {
    let failed = |outcome: &&super::Outcome| outcome.verdict == Verdict::Broken && outcome.case.level != Level::Better;
    let failures = report.outcomes.iter().filter(failed).count();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"conformance of {}\" tests=\"{}\" \
         failures=\"{failures}\" skipped=\"{}\" timestamp=\"{}\" time=\"{}\">\n",
        escaped(&report.subject),
        report.outcomes.len(),
        report.outcomes.iter().filter(|o| o.verdict != Verdict::Held).count() - failures,
        report.started,
        seconds(report.took_ms),
    );
    for outcome in &report.outcomes {
        let case = outcome.case;
        let _ = write!(
            xml,
            "  <testcase classname=\"{}.{}\" name=\"{} {}\" time=\"{}\"",
            report.suite,
            case.level,
            case.number,
            escaped(case.title),
            seconds(outcome.took_ms)
        );
        let why = escaped(outcome.why.as_deref().unwrap_or_default());
        let _ = match outcome.verdict {
            Verdict::Held => writeln!(xml, "/>"),
            Verdict::Broken if failed(&outcome) => {
                writeln!(xml, "><failure message=\"{why}\">{}</failure></testcase>", escaped(case.clause))
            }
            Verdict::Broken | Verdict::Untold => writeln!(xml, "><skipped message=\"{why}\"/></testcase>"),
        };
    }
    xml.push_str("</testsuite>\n");
    xml
}
