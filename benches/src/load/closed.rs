//! Closed load: as much as the connections carry.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::Options;
use crate::connection::Connections;
use crate::findings::Findings;

/// How long nothing may happen before the run is given up.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Calls until the time is over or all calls are made, and awaits those under way.
pub(crate) fn run(options: &Options) -> Result<Findings> {
    let requests = options.requests();
    let mut connections = Connections::open(options.address, options.connections)?;
    let mut findings = Findings::new();
    let until = findings.began() + options.duration();
    let calls_max = options.calls.unwrap_or(u64::MAX);
    let mut begun = 0;
    let mut idle: Vec<usize> = (0..connections.len()).collect();
    while !idle.is_empty() || connections.under_way().next().is_some() {
        let more = Instant::now() < until;
        for place in std::mem::take(&mut idle) {
            if !more || begun == calls_max {
                continue;
            }
            let request = usize::try_from(begun % requests.len() as u64).expect("a place in memory");
            begun += 1;
            thread::sleep(Duration::from_millis(options.rest_ms));
            if let Some(ended) = connections.begin(place, request, Instant::now(), &requests)? {
                findings.add(&ended);
                idle.push(place);
            }
        }
        if connections.under_way().next().is_none() {
            continue;
        }
        let events = connections.wait(SILENCE_MAX)?;
        if events.is_empty() {
            bail!("no answer within {} s, {} calls in", SILENCE_MAX.as_secs(), findings.calls());
        }
        for (token, can) in events {
            let place = usize::try_from(token).expect("a place in memory");
            if let Some(ended) = connections.advance(place, &requests, can)? {
                findings.add(&ended);
                idle.push(place);
            }
        }
    }
    Ok(findings)
}
