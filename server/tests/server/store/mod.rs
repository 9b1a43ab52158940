//! What every store promises, held by each kind of it.

mod calls;
mod contract;
#[cfg(feature = "postgres")]
mod nodes;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;
