//! What hotfn is to reach, and whether it did: ratios within one run, and sizes.

use super::ledger::{Figure, Key, Ledger};
use super::part::{Cores, Part};
use super::table::Table;

/// One target.
struct Target {
    sentence: &'static str,
    part: Part,
    cores: Cores,
    case: &'static str,
    /// Whose figure, and of what kind.
    of: (&'static str, Figure),
    /// Whose of the same kind it is divided by, if it is a ratio.
    to: Option<&'static str>,
    bound: Bound,
}

/// Where the line is; sizes in KiB.
#[derive(Clone, Copy, Debug)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

use Bound::{AtLeast, AtMost};
use Cores::{All, One};
use Figure::{GrowthBytes, MemoryBytes, P50, P99, Rate, Throughput};

/// In the order of the parts.
fn targets() -> Vec<Target> {
    let mut targets = Vec::new();
    let mut ratio = |sentence, part, cores, case, (of, figure), to, bound| {
        targets.push(Target { sentence, part, cores, case, of: (of, figure), to: Some(to), bound });
    };
    let rate = ("hotfn", Rate);
    ratio("calls/s, to nginx", Part::Latency, One, "64 connections", rate, "nginx", AtLeast(1.3));
    ratio("calls/s, to the floor", Part::Latency, One, "64 connections", rate, "floor", AtLeast(0.83));
    ratio("p50, to nginx", Part::Latency, One, "1 connection", ("hotfn", P50), "nginx", AtMost(0.95));
    ratio("p50, to the floor", Part::Latency, One, "1 connection", ("hotfn", P50), "floor", AtMost(1.15));
    for case in ["8 connections", "64 connections"] {
        ratio("calls/s, to nginx", Part::Latency, All, case, rate, "nginx", AtLeast(1.2));
        ratio("calls/s, to the floor", Part::Latency, All, case, rate, "floor", AtLeast(0.83));
    }
    ratio("p99, to nginx", Part::Latency, All, "64 connections", ("hotfn", P99), "nginx", AtMost(1.0));
    for cores in [One, All] {
        for case in ["64 KiB", "1 MiB", "100 MiB"] {
            ratio("throughput, to nginx", Part::Bodies, cores, case, ("hotfn", Throughput), "nginx", AtLeast(1.0));
        }
    }
    for case in ["1 connection", "8 connections"] {
        ratio("json, calls/s to http-stream", Part::Formats, One, case, ("json", Rate), "http-stream", AtLeast(0.8));
        ratio("http, calls/s to http-stream", Part::Formats, One, case, ("http", Rate), "http-stream", AtLeast(0.8));
    }
    for (sentence, of) in [
        ("500 hot containers, calls/s to one", "500 containers"),
        ("2,000 functions, calls/s to one", "2000 functions, calls to one"),
    ] {
        ratio(sentence, Part::Fleet, One, "1 connection", (of, Rate), "1 container", AtLeast(1.0 / 1.1));
    }
    for cores in [One, All] {
        ratio("p50, to starting it by hand", Part::Cold, cores, "first call", ("hotfn", P50), "by hand", AtMost(1.2));
        for (sentence, of) in [
            ("p99 beside one that computes", "neighbour computes"),
            ("p99 beside one that floods its log", "neighbour floods its log"),
            ("p99 while containers die", "ten containers a second die"),
        ] {
            ratio(sentence, Part::Unkind, cores, "20 % of capacity", (of, P99), "undisturbed", AtMost(3.0));
        }
    }
    let mut size = |sentence, part, case, figure, kib| {
        let of = ("hotfn", figure);
        targets.push(Target { sentence, part, cores: One, case, of, to: None, bound: AtMost(kib) });
    };
    for case in ["64 KiB", "1 MiB", "100 MiB"] {
        size("node's growth, KiB", Part::Bodies, case, GrowthBytes, 8192.0);
    }
    size("KiB", Part::Memory, "node with one hot function", MemoryBytes, 8192.0);
    size("KiB", Part::Memory, "idle container", MemoryBytes, 12.0);
    size("KiB", Part::Memory, "busy pair of connections", MemoryBytes, 40.0);
    size("KiB", Part::Memory, "function", MemoryBytes, 4096.0);
    targets.sort_by_key(|target| Part::ALL.iter().position(|part| *part == target.part));
    targets
}

/// Every target of which there are figures, and whether it is met.
pub(crate) fn verdicts(ledger: &Ledger) -> Table {
    let rows = targets().into_iter().filter_map(|target| {
        let value = target.value(ledger)?;
        let (bound, met) = match target.bound {
            AtLeast(least) => (format!("≥ {}", show(least)), value >= least),
            AtMost(most) => (format!("≤ {}", show(most)), value <= most),
        };
        let verdict = if met { "met" } else { "missed" };
        let what = format!("{}: {}", target.part.name(), target.sentence);
        let cores = target.cores.title().to_owned();
        Some(vec![what, target.case.to_owned(), cores, show(value), bound, verdict.to_owned()])
    });
    Table::new("Targets", &["what", "case", "cores", "is", "to be", "verdict"], rows.collect(), 3)
}

impl Target {
    fn value(&self, ledger: &Ledger) -> Option<f64> {
        let (contender, figure) = self.of;
        let (case, contender) = (self.case.to_owned(), contender.to_owned());
        let key = Key { part: self.part, cores: self.cores, case, contender, figure };
        match self.to {
            Some(yardstick) => Some(ledger.ratio(&key, &key.by(yardstick))?.median),
            None => Some(ledger.spread(&key)?.median / 1024.0),
        }
    }
}

fn show(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_without_figures_is_not_judged() {
        let mut ledger = Ledger::default();
        for (contender, rate) in [("hotfn", 1300.0), ("nginx", 1000.0)] {
            let (case, contender) = ("64 connections".into(), contender.into());
            ledger.add(Key { part: Part::Latency, cores: One, case, contender, figure: Rate }, rate);
        }
        let text = verdicts(&ledger).to_string();
        assert!(text.contains("1.30  ≥ 1.30      met"), "{text}");
        assert!(!text.contains("floor"), "{text}");
    }

    #[test]
    fn sizes_are_in_kib() {
        let mut ledger = Ledger::default();
        let (case, contender) = ("idle container".into(), "hotfn".into());
        let key = Key { part: Part::Memory, cores: One, case, contender, figure: MemoryBytes };
        ledger.add(key, 13.0 * 1024.0);
        assert!(verdicts(&ledger).to_string().contains("13.00  ≤ 12.00   missed"));
    }
}
