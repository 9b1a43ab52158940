//! For a repository.

use std::fmt::Write as _;

use super::{Report, Verdict};
use crate::transcript::Voice;

/// Lines of a transcript that are shown.
const LINES_MAX: usize = 6;

pub(super) fn of(report: &Report) -> String {
    let mut text = format!(
        "# Conformance of `{}`\n\nFormat `{}`, profile {}, seed {}, {}.\n\n**{}.**\n\n",
        report.subject,
        report.suite,
        report.profile,
        report.seed,
        report.started,
        report.verdict()
    );
    text.push_str("| # | level | case | verdict |\n|---|---|---|---|\n");
    for outcome in &report.outcomes {
        let case = outcome.case;
        let _ = writeln!(text, "| {} | {} | {} | {} |", case.number, case.level, cell(case.title), outcome.mark());
    }
    for left_out in &report.left_out {
        let case = left_out.case;
        let _ = writeln!(
            text,
            "| {} | {} | {} | left out: {} |",
            case.number,
            case.level,
            cell(case.title),
            cell(&left_out.why)
        );
    }
    for outcome in report.outcomes.iter().filter(|outcome| outcome.verdict != Verdict::Held) {
        let case = outcome.case;
        let _ = write!(text, "\n## {} {}: {}\n\n> {}\n\n", case.number, case.level, case.title, case.clause);
        let _ = writeln!(text, "{}", cell(outcome.why.as_deref().unwrap_or_default()));
        let said: Vec<_> = outcome.transcript.iter().filter(|line| !line.text.is_empty()).collect();
        if !said.is_empty() {
            text.push_str("\n```text\n");
            for line in &said[said.len().saturating_sub(LINES_MAX)..] {
                let begin = match line.voice {
                    Voice::Came => "< ",
                    Voice::Note => "# ",
                    Voice::Sent => "> ",
                };
                for part in line.text.replace("```", "'''").lines() {
                    let _ = writeln!(text, "{}", format!("{begin}{part}").trim_end());
                }
            }
            text.push_str("```\n");
        }
    }
    text
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ").replace('<', "&lt;")
}
