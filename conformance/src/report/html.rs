//! A page that needs nothing else: no script, no font, no picture from elsewhere.

use std::fmt::Write as _;

use super::{Outcome, Report, Verdict, escaped};
use crate::case::Level;
use crate::transcript::Voice;

const STYLE: &str = include_str!("report.css");

pub(super) fn of(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>Conformance of {subject}</title>\n<style>\n{STYLE}</style>\n\
         <header>\n<h1>Conformance <small>{}</small></h1>\n<p><code>{subject}</code></p>\n\
         <p class=\"{}\">{}</p>\n<dl><dt>when</dt><dd>{}</dd><dt>took</dt><dd>{:.1} s</dd><dt>profile</dt><dd>{}</dd>\
         <dt>seed</dt><dd>{}</dd></dl>\n",
        report.suite,
        if report.keeps(Level::Must) { "verdict good" } else { "verdict bad" },
        report.verdict(),
        report.started,
        super::text::seconds(report.took_ms),
        report.profile,
        report.seed,
        subject = escaped(&report.subject),
    );
    bars(&mut page, report);
    page.push_str("</header>\n<main>\n");
    for outcome in &report.outcomes {
        case(&mut page, outcome);
    }
    if !report.left_out.is_empty() {
        page.push_str("<h2>Left out</h2>\n<dl>\n");
        for left_out in &report.left_out {
            let case = left_out.case;
            let (title, why) = (escaped(case.title), escaped(&left_out.why));
            let _ = writeln!(page, "<dt>{} {} {title}</dt><dd>{why}</dd>", case.number, case.level);
        }
        page.push_str("</dl>\n");
    }
    page.push_str("</main>\n</html>\n");
    page
}

/// A bar for each level: how much of it holds.
fn bars(page: &mut String, report: &Report) {
    for level in [Level::Must, Level::Should, Level::Better] {
        let [held, broken, untold] = [Verdict::Held, Verdict::Broken, Verdict::Untold].map(|v| report.count(level, v));
        let all = held + broken + untold;
        if all == 0 {
            continue;
        }
        let _ = write!(page, "<div class=\"bar\"><b>{level}</b><span title=\"{held} of {all} hold\">");
        for (count, class) in [(held, "good"), (broken, "bad"), (untold, "unknown")] {
            if count > 0 {
                let _ = write!(page, "<i class=\"{class}\" style=\"flex:{count}\">{count}</i>");
            }
        }
        page.push_str("</span></div>\n");
    }
}

fn case(page: &mut String, outcome: &Outcome) {
    let case = outcome.case;
    let (class, open) = match outcome.verdict {
        Verdict::Held => ("good", ""),
        Verdict::Broken if case.level == Level::Better => ("unknown", ""),
        Verdict::Broken => ("bad", " open"),
        Verdict::Untold => ("unknown", ""),
    };
    let _ = writeln!(
        page,
        "<details id=\"case-{n}\" class=\"{class}\"{open}><summary><a href=\"#case-{n}\">{n}</a> <b>{}</b> \
         <span>{}</span> <em>{}</em></summary>\n<blockquote>{}</blockquote>",
        case.level,
        escaped(case.title),
        outcome.mark(),
        escaped(case.clause),
        n = case.number,
    );
    if let Some(why) = &outcome.why {
        let _ = writeln!(page, "<p>{}</p>", escaped(why));
    }
    for line in outcome.transcript.iter().filter(|line| !line.text.is_empty()) {
        let voice = match line.voice {
            Voice::Came => "came",
            Voice::Note => "note",
            Voice::Sent => "sent",
        };
        let _ = writeln!(page, "<pre class=\"{voice}\">{}</pre>", escaped(line.text.trim_end()));
    }
    page.push_str("</details>\n");
}
