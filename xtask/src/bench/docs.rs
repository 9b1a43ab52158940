//! The measured part of `docs/performance.md`, between two markers; the prose around it is by hand.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};

use super::chart::CHARTS;
use super::ledger::Ledger;
use super::part::{Cores, Part};
use super::{table, target};
use crate::tree;

/// Between these lines nothing is written by hand.
const BEGIN: &str = "<!-- measured: begin -->\n";
const END: &str = "<!-- measured: end -->\n";

/// Puts the ledger's tables into the page, and its charts beside it.
pub(crate) fn write(ledger: &Ledger) -> Result<()> {
    let docs = tree::root().join("docs");
    let charts = docs.join("performance");
    fs::create_dir_all(&charts).with_context(|| format!("cannot make {}", charts.display()))?;
    for chart in &CHARTS {
        if let Some(svg) = chart.draw(ledger) {
            let path = charts.join(format!("{}.svg", chart.name));
            fs::write(&path, svg).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    let page = docs.join("performance.md");
    let text = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    let text = between(&text, &measured(ledger)).with_context(|| format!("in {}", page.display()))?;
    fs::write(&page, text).with_context(|| format!("cannot write {}", page.display()))?;
    eprintln!("written to {}", page.display());
    Ok(())
}

fn measured(ledger: &Ledger) -> String {
    let mut text = String::new();
    let mut say = |paragraph: String| writeln!(text, "{paragraph}\n").expect("a string takes all");
    say(format!("{}; {}.", ledger.machine, ledger.method));
    say(format!("### Targets\n\n{}", target::verdicts(ledger).to_markdown().trim_end()));
    for part in Part::ALL {
        for cores in [Cores::One, Cores::All] {
            if ledger.of(part, cores).next().is_none() {
                continue;
            }
            say(format!("### {}, {}", part.title(), cores.title()));
            for chart in CHARTS.iter().filter(|chart| chart.shows(part, cores) && chart.draw(ledger).is_some()) {
                say(format!("![{}](performance/{}.svg)", chart.title, chart.name));
            }
            say(table::of(ledger, part, cores).to_markdown().trim_end().to_owned());
            say(format!(
                "    cargo xtask bench hot --only {part} {}",
                if cores == Cores::One { "--pinned" } else { "--free" }
            ));
        }
    }
    text
}

/// `text` with `new` between the markers.
fn between(text: &str, new: &str) -> Result<String> {
    let (before, rest) = text.split_once(BEGIN).with_context(|| format!("no line {:?}", BEGIN.trim_end()))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("no line {:?} after it", END.trim_end()))?;
    Ok(format!("{before}{BEGIN}{new}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_by_hand_stays() {
        let page = format!("by hand\n{BEGIN}old\n{END}more by hand\n");
        assert_eq!(between(&page, "new\n").unwrap(), format!("by hand\n{BEGIN}new\n{END}more by hand\n"));
        assert!(between("no markers", "new").is_err());
    }
}
