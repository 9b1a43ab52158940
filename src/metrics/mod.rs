//! Counting what happens without holding it up, and telling it when somebody asks.
//!
//! A call passes a handful of counters. Were they shared by all threads, each call would wait for a
//! cache line that another core has just written to; so there is a set of them for each thread
//! ([`Shards`]), and whoever asks adds them up. Durations go into [`Buckets`], which are counters too;
//! other amounts, which no call brings, into a [`Spread`].
//! What can be seen by looking, such as how many calls wait, is not counted at all but looked at when
//! somebody asks.
//!
//! Nothing here grows with the number of functions: labels are words of closed lists. What one function
//! did is in the closing events of its calls, see [`meter`](crate::meter).
//!
//! [`Page`] writes families in the form of OpenMetrics. Some names are Fn's, which dashboards know, and
//! are told without the suffix that a counter would get; those that begin with `hotfn_` are ours, in
//! base units.

mod buckets;
mod page;
mod shards;
mod spread;

pub use buckets::{Buckets, Seen};
pub use page::Page;
pub use shards::Shards;
pub use spread::Spread;
