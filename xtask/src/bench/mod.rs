//! Benchmarks that need more than one program at once.
//!
//! Figures of one run are compared with each other and with nothing else: a machine is a third
//! faster or slower an hour later. So the yardstick runs beside what is measured, under the same
//! load, turn by turn.

pub(crate) mod contender;
pub(crate) mod hot;
pub(crate) mod load;
mod report;
