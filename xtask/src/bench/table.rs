//! Figures of one part as rows and columns: aligned for a terminal, or in Markdown.

use std::fmt::{self, Write as _};

use super::ledger::{Figure, Key, Ledger, Spread};
use super::part::{Cores, Part};

/// Words in rows and columns.
#[derive(Debug)]
pub(crate) struct Table {
    title: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    /// So many columns of words come first; what follows are figures.
    words: usize,
}

/// One row for each case and contender, medians in the order they were taken, and ratios last. The
/// figure that is compared, and the ratios, have their spread beside them.
pub(crate) fn of(ledger: &Ledger, part: Part, cores: Cores) -> Table {
    let mut figures: Vec<Figure> = Vec::new();
    let mut rows: Vec<&Key> = Vec::new();
    for key in ledger.of(part, cores) {
        if !figures.contains(&key.figure) {
            figures.push(key.figure);
        }
        if !rows.iter().any(|row| row.case == key.case && row.contender == key.contender) {
            rows.push(key);
        }
    }
    // Rounds begin with another contender each time; rows do not.
    let order: Vec<&str> = rows.iter().map(|row| row.contender.as_str()).collect();
    let cases: Vec<&str> = rows.iter().map(|row| row.case.as_str()).collect();
    let first = |all: &[&str], one: &str| all.iter().position(|found| *found == one);
    rows.sort_by_key(|row| (first(&cases, &row.case), first(&order, &row.contender)));
    let (compared, yardsticks) = part.compared().unzip();
    let yardsticks = yardsticks.unwrap_or_default();
    let mut header = vec!["case".to_owned(), "contender".to_owned()];
    header.extend(figures.iter().map(|figure| figure.title().to_owned()));
    header.extend(yardsticks.iter().map(|yardstick| format!("to {yardstick}")));
    let rows = rows.into_iter().map(|row| {
        let mut cells = vec![row.case.clone(), row.contender.clone()];
        cells.extend(figures.iter().map(|&figure| {
            let spread = ledger.spread(&row.figure(figure));
            spread.map_or_else(String::new, |spread| cell(spread, compared == Some(figure), |v| figure.show(v)))
        }));
        cells.extend(yardsticks.iter().map(|yardstick| {
            let key = compared.map(|figure| row.figure(figure));
            let ratio =
                key.filter(|_| row.contender != *yardstick).and_then(|key| ledger.ratio(&key, &key.by(yardstick)));
            ratio.map_or_else(String::new, |ratio| cell(ratio, true, |v| format!("{v:.2}")))
        }));
        cells
    });
    let title = format!("{}, {}", part.title(), cores.title());
    Table { title, header, rows: rows.collect(), words: 2 }
}

impl Table {
    /// Any words; the first `words` columns to the left, the others to the right.
    pub(crate) fn new(title: &str, header: &[&str], rows: Vec<Vec<String>>, words: usize) -> Self {
        Self { title: title.to_owned(), header: header.iter().map(|&cell| cell.to_owned()).collect(), rows, words }
    }

    /// For a page; its title is the page's to set.
    pub(crate) fn to_markdown(&self) -> String {
        let mut text = String::new();
        let mut line = |cells: &[String]| {
            writeln!(text, "| {} |", cells.join(" | ")).expect("a string takes all");
        };
        line(&self.header);
        let rules = (0..self.header.len()).map(|column| if column < self.words { "---" } else { "---:" }.to_owned());
        line(&rules.collect::<Vec<_>>());
        self.rows.iter().for_each(|row| line(row));
        text
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.title)?;
        let all = || std::iter::once(&self.header).chain(&self.rows);
        let width = |column: usize| all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..self.header.len()).map(|column| width(column).unwrap_or_default()).collect();
        for row in all() {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column < self.words {
                true => format!("{cell:<width$}"),
                false => format!("{cell:>width$}"),
            });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// A median, and from where to where the rounds went if there were more than one.
fn cell(spread: Spread, with_spread: bool, show: impl Fn(f64) -> String) -> String {
    let median = show(spread.median);
    if with_spread && spread.min < spread.max {
        return format!("{median} ({}..{})", show(spread.min), show(spread.max));
    }
    median
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        for (contender, rates) in [("hotfn", [900.0, 800.0]), ("nginx", [1000.0, 1000.0])] {
            for rate in rates {
                let (case, contender) = ("1 connection".into(), contender.into());
                let key = Key { part: Part::Latency, cores: Cores::One, case, contender, figure: Figure::Rate };
                ledger.add(key.figure(Figure::P50), 30.0);
                ledger.add(key, rate);
            }
        }
        ledger
    }

    #[test]
    fn ratios_come_last_and_columns_align() {
        let text = of(&ledger(), Part::Latency, Cores::One).to_string();
        let expected = "\
Calls of 16 bytes over kept-open connections, all on one core

case          contender  p50 µs         calls/s           to nginx  to floor
1 connection  hotfn        30.0  850 (800..900)  0.85 (0.80..0.90)
1 connection  nginx        30.0            1000
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_page_gets_figures_to_the_right() {
        let text = Table::new("t", &["a", "b"], vec![vec!["x".into(), "1".into()]], 1).to_markdown();
        assert_eq!(text, "| a | b |\n| --- | ---: |\n| x | 1 |\n");
    }
}
