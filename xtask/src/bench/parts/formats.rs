//! The same call over each format: one call at a time in a container, as the formats on standard input
//! and output have it, and a container for each connection.

use anyhow::Result;

use super::{Bench, args, closed};
use crate::bench::contender::{Contender, Deployed, node};
use crate::bench::ledger::Figure;
use crate::bench::load;

/// Connections, and so containers.
const CONNECTIONS: [u32; 2] = [1, 8];
/// Calls before it is measured: every container is up then.
const WARM_UP_CALLS: u32 = 200;

pub(super) fn measure(bench: &mut Bench<'_>) -> Result<()> {
    let formats = bench.options.formats.iter().map(|format| format.parse::<Format>()).collect::<Result<Vec<_>>>()?;
    let start = |Format(format): &Format| -> Result<(&'static str, Contender)> {
        Ok((*format, node(bench.stage, format, &[Deployed { format, ..Deployed::new(bench.stage, "echo") }])?))
    };
    let mut contenders = formats.iter().map(start).collect::<Result<Vec<_>>>()?;
    for connections in CONNECTIONS {
        for (_, contender) in &contenders {
            let warm_up = args(&[("connections", connections.to_string()), ("calls", WARM_UP_CALLS.to_string())]);
            load::ours(bench.stage, contender, &warm_up)?;
        }
        bench.rounds(&mut contenders, |bench, (format, contender)| {
            let (front, _) = contender.cpu()?;
            let seen = load::wrk(bench.stage, contender, connections, bench.options.seconds)?;
            let front = contender.cpu()?.0.since(front, seen.calls);
            let cpu = [(Figure::FrontUserUs, front.user_us), (Figure::FrontSystemUs, front.system_us)];
            let case = if connections == 1 { "1 connection".to_owned() } else { format!("{connections} connections") };
            bench.note(&case, format, &[&closed(seen)[..], &cpu[..]].concat());
            Ok(())
        })?;
    }
    Ok(())
}

/// A format by its name.
struct Format(&'static str);

impl std::str::FromStr for Format {
    type Err = anyhow::Error;

    fn from_str(word: &str) -> Result<Self> {
        let known = ["http-stream", "http", "json", "cloudevent", "default"];
        let found = known.into_iter().find(|name| *name == word);
        found.map(Self).ok_or_else(|| anyhow::anyhow!("unknown format {word:?}; there are {}", known.join(", ")))
    }
}
