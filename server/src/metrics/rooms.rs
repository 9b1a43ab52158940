//! What rooms of this crate have counted, in words.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use hotfn::metrics::Page;

use crate::connector::{Connectors, Reading};
use crate::mirror::Mirror;
use crate::pulls;

/// The connectors of a node.
#[derive(Debug)]
pub struct Reached(pub Arc<Connectors>);

/// Images that were fetched.
#[derive(Debug)]
pub struct Pulled(pub Arc<pulls::Counts>);

/// A store, and what is served of it.
#[derive(Debug)]
pub struct Stored(pub Arc<Mirror>);

impl Collector for Reached {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.0.readings();
        let mut page = Page::new(encoder);
        for (name, help, of) in GAUGES {
            page.gauges(name, help, all.iter().map(|one| ([("connector", one.name.as_str())], of(one))))?;
        }
        for (name, help, of) in COUNTERS {
            page.counters(name, help, all.iter().map(|one| ([("connector", one.name.as_str())], of(one))))?;
        }
        let errors = all.iter().flat_map(|one| {
            let name = one.name.as_str();
            one.totals.errors.iter().map(move |(kind, count)| ([("connector", name), ("kind", kind.as_str())], *count))
        });
        page.counters("hotfn_connector_errors", "Events of a connector that went wrong, by where", errors)
    }
}

/// A family of connectors' metrics: its name, what it is, and where it is read.
type Family = (&'static str, &'static str, fn(&Reading) -> u64);

const GAUGES: [Family; 3] = [
    ("hotfn_connector_peers", "Connections that a connector has", |one| one.open),
    ("hotfn_connector_in_flight", "Events that a connector works on", |one| one.in_flight),
    ("hotfn_connector_queue", "Frames that wait for a connection", |one| one.queue),
];

const COUNTERS: [Family; 9] = [
    ("hotfn_connector_connections", "Connections that a connector took or made", |one| one.totals.connections),
    ("hotfn_connector_refused", "Connections that a connector refused", |one| one.totals.refused),
    ("hotfn_connector_frames_received", "Frames that came in by a connector", |one| one.totals.frames_in),
    ("hotfn_connector_frames_sent", "Frames that went out by a connector", |one| one.totals.frames_out),
    ("hotfn_connector_received_bytes", "Bytes that came in by a connector", |one| one.totals.bytes_in),
    ("hotfn_connector_sent_bytes", "Bytes that went out by a connector", |one| one.totals.bytes_out),
    ("hotfn_connector_reconnects", "How often a connector connected again", |one| one.totals.reconnects),
    ("hotfn_connector_undelivered", "Replies that had nobody to go to any more", |one| one.totals.undelivered),
    ("hotfn_connector_forgotten", "Frames that made room for others", |one| one.forgotten),
];

impl Collector for Pulled {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        page.counter("hotfn_images_fetched", "Images that were fetched", self.0.images())?;
        page.counter("hotfn_images_fetched_bytes", "Bytes of their layers that were fetched", self.0.bytes())
    }
}

impl Collector for Stored {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        let counts = self.0.store().counts();
        let help = "Transactions of the store; calls that are waited for need none";
        page.counter("hotfn_store_transactions", help, counts.reads() + counts.writes())?;
        page.counter("hotfn_store_writes", "Those of them that were to change it", counts.writes())?;
        page.gauge(
            "hotfn_store_up",
            "1 if the store could be reached the last time it was tried",
            self.0.is_up().into(),
        )?;
        page.gauge(
            "hotfn_functions",
            "Functions that are served",
            u64::try_from(self.0.functions()).unwrap_or(u64::MAX),
        )
    }
}
