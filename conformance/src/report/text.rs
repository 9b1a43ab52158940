//! For a terminal.

use std::fmt::Write as _;

use super::{Report, Verdict};

pub(super) fn of(report: &Report) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{} · {} · {}", report.subject, report.suite, report.started);
    let width = report.outcomes.iter().map(|outcome| outcome.case.title.len()).max().unwrap_or(0);
    for outcome in &report.outcomes {
        let case = outcome.case;
        let _ = writeln!(
            text,
            "{:>4}  {:<6}  {:<width$}  {:<6} {:>6} ms",
            case.number,
            case.level,
            case.title,
            outcome.mark(),
            outcome.took_ms
        );
    }
    for outcome in report.outcomes.iter().filter(|outcome| outcome.verdict != Verdict::Held) {
        let case = outcome.case;
        let _ = writeln!(text, "\n{} {}: {}", case.number, case.level, case.clause);
        let _ = writeln!(text, "    {}", outcome.why.as_deref().unwrap_or_default());
    }
    if !report.left_out.is_empty() {
        text.push_str("\nleft out\n");
    }
    for left_out in &report.left_out {
        let case = left_out.case;
        let _ = writeln!(text, "{:>4}  {:<6}  {}: {}", case.number, case.level, case.title, left_out.why);
    }
    let _ = writeln!(text, "\n{} ({:.1} s)", report.verdict(), seconds(report.took_ms));
    text
}

pub(super) fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}
