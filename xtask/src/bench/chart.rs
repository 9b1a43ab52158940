//! Bar charts in SVG, readable on a light page and on a dark one.
//!
//! A group of bars for each case, a bar for each contender, the value above it. Written out by hand:
//! rectangles and words are all there is. Colours follow the reader's preference by a media query in
//! the picture itself, since a page cannot reach into an image.

use std::fmt::Write as _;

use super::ledger::{Figure, Key, Ledger};
use super::part::{Cores, Part};

/// What a chart shows.
#[derive(Debug)]
pub(crate) struct Chart {
    /// The file's name, without its ending.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    part: Part,
    cores: Cores,
    figure: Figure,
    /// Values as ratios to this contender's, if they are.
    to: Option<&'static str>,
}

/// All charts there are.
pub(crate) const CHARTS: [Chart; 6] = [
    Chart {
        name: "calls-one-core",
        title: "Calls a second, 16 bytes, all on one core",
        part: Part::Latency,
        cores: Cores::One,
        figure: Figure::Rate,
        to: None,
    },
    Chart {
        name: "calls-all-cores",
        title: "Calls a second, 16 bytes, free to use all cores",
        part: Part::Latency,
        cores: Cores::All,
        figure: Figure::Rate,
        to: None,
    },
    Chart {
        name: "front-cpu",
        title: "The front's own user time a call in µs, all on one core",
        part: Part::Latency,
        cores: Cores::One,
        figure: Figure::FrontUserUs,
        to: None,
    },
    Chart {
        name: "bodies",
        title: "Throughput of bodies as a ratio to nginx's, all on one core",
        part: Part::Bodies,
        cores: Cores::One,
        figure: Figure::Throughput,
        to: Some("nginx"),
    },
    Chart {
        name: "formats",
        title: "Calls a second by format, one call a container, all on one core",
        part: Part::Formats,
        cores: Cores::One,
        figure: Figure::Rate,
        to: None,
    },
    Chart {
        name: "open",
        title: "99th percentile in µs of calls on a schedule, free to use all cores",
        part: Part::Open,
        cores: Cores::All,
        figure: Figure::P99,
        to: None,
    },
];

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 300.0;
/// Above the bars: the title, and the legend. Below: the cases. Beside: air.
const TOP: f64 = 76.0;
const BOTTOM: f64 = 30.0;
const SIDE: f64 = 16.0;
/// What of a group's width is bars.
const FILLED: f64 = 0.86;
/// The width of one letter of the legend, near enough.
const LETTER: f64 = 7.0;

/// Two greens could not be told apart by many; these four can, in light and in dark.
const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600;font-size:14px}\
.value{font-size:10px;text-anchor:middle}.case{text-anchor:middle}.axis{stroke:#8c959f}\
.c0{fill:#d9480f}.c1{fill:#2b8a3e}.c2{fill:#1971c2}.c3{fill:#868e96}.c4{fill:#9c36b5}\
@media (prefers-color-scheme:dark){text{fill:#e6edf3}\
.c0{fill:#ff922b}.c1{fill:#51cf66}.c2{fill:#4dabf7}.c3{fill:#adb5bd}.c4{fill:#da77f2}}";

impl Chart {
    /// Does it belong to this part's table?
    pub(crate) fn shows(&self, part: Part, cores: Cores) -> bool {
        (self.part, self.cores) == (part, cores)
    }

    /// The picture; `None` if there are no figures for it.
    pub(crate) fn draw(&self, ledger: &Ledger) -> Option<String> {
        let keys: Vec<&Key> = ledger.of(self.part, self.cores).filter(|key| key.figure == self.figure).collect();
        let mut cases: Vec<&str> = Vec::new();
        let mut contenders: Vec<&str> = Vec::new();
        for key in &keys {
            if !cases.contains(&key.case.as_str()) {
                cases.push(&key.case);
            }
            if !contenders.contains(&key.contender.as_str()) {
                contenders.push(&key.contender);
            }
        }
        let value = |case: &str, contender: &str| {
            let key = keys.iter().find(|key| key.case == case && key.contender == contender)?;
            match self.to {
                Some(yardstick) => Some(ledger.ratio(key, &key.by(yardstick))?.median),
                None => Some(ledger.spread(key)?.median),
            }
        };
        let all = cases.iter().flat_map(|case| contenders.iter().filter_map(|contender| value(case, contender)));
        let most = all.fold(0.0, f64::max);
        if most <= 0.0 {
            return None;
        }

        let mut svg = self.frame();
        legend(&mut svg, &contenders);
        let group = (WIDTH - 2.0 * SIDE) / cases.len() as f64;
        let bar = group * FILLED / contenders.len() as f64;
        let floor = HEIGHT - BOTTOM;
        for (g, case) in cases.iter().enumerate() {
            let left = SIDE + group * (g as f64 + (1.0 - FILLED) / 2.0);
            let middle = SIDE + group * (g as f64 + 0.5);
            writeln!(svg, "<text class=\"case\" x=\"{middle:.1}\" y=\"{:.1}\">{}</text>", floor + 18.0, escaped(case))
                .ok()?;
            for (c, contender) in contenders.iter().enumerate() {
                let Some(value) = value(case, contender) else { continue };
                let height = (floor - TOP) * value / most;
                let (x, y) = (left + bar * c as f64, floor - height);
                writeln!(
                    svg,
                    "<rect class=\"c{c}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>\
                     <text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                    bar * 0.92,
                    x + bar * 0.46,
                    y - 3.0,
                    self.show(value),
                )
                .ok()?;
            }
        }
        write!(
            svg,
            "<line class=\"axis\" x1=\"{SIDE}\" y1=\"{floor}\" x2=\"{}\" y2=\"{floor}\"/>\n</svg>\n",
            WIDTH - SIDE
        )
        .ok()?;
        Some(svg)
    }

    fn frame(&self) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n<text class=\"title\" x=\"{SIDE}\" y=\"22\">{title}</text>\n",
            title = escaped(self.title),
        )
    }

    /// Short, since it stands above a bar.
    fn show(&self, value: f64) -> String {
        match self.figure {
            _ if self.to.is_some() => format!("{value:.2}"),
            _ if value >= 1e6 => format!("{:.1} M", value / 1e6),
            _ if value >= 1e4 => format!("{:.1} k", value / 1e3),
            _ if value >= 100.0 => format!("{value:.0}"),
            _ => format!("{value:.1}"),
        }
    }
}

fn legend(svg: &mut String, contenders: &[&str]) {
    let mut x = SIDE;
    for (c, contender) in contenders.iter().enumerate() {
        writeln!(
            svg,
            "<rect class=\"c{c}\" x=\"{x:.1}\" y=\"34\" width=\"12\" height=\"12\"/><text x=\"{:.1}\" y=\"44\">{}</text>",
            x + 17.0,
            escaped(contender),
        )
        .expect("a string takes all");
        x += 17.0 + LETTER * contender.len() as f64 + 18.0;
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        for (contender, rate) in [("hotfn", 60_000.0), ("a<b", 30_000.0)] {
            let (case, contender) = ("1 connection".into(), contender.into());
            ledger.add(Key { part: Part::Latency, cores: Cores::One, case, contender, figure: Figure::Rate }, rate);
        }
        ledger
    }

    #[test]
    fn the_highest_bar_fills_the_height_and_others_their_share() {
        let svg = CHARTS[0].draw(&ledger()).unwrap();
        assert!(svg.contains("height=\"194.0\"/>") && svg.contains("height=\"97.0\"/>"), "{svg}");
        assert!(svg.contains(">60.0 k<") && svg.contains("a&lt;b"), "{svg}");
    }

    #[test]
    fn no_figures_no_picture() {
        assert_eq!(CHARTS[1].draw(&ledger()), None);
    }

    #[test]
    fn the_picture_carries_both_colour_schemes() {
        assert!(CHARTS[0].draw(&ledger()).unwrap().contains("prefers-color-scheme:dark"));
    }
}
