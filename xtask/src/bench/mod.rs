//! `cargo xtask bench`: what a call to a hot function costs, beside what it costs elsewhere.
//!
//! Contenders answer the same calls under the same load, in turns: hotfn; nginx, which hands each
//! request to the same function's unix socket; `floor`, the least that a front and a function can do;
//! and `direct`, the floor's front before the same function. Turns are interleaved and begin with
//! another contender each round, so that whatever the machine does meanwhile hits all of them.
//!
//! In the order to read it: [`options`] is what can be asked for; [`part`] lists what is measured, and
//! `parts` measures, a file each, with [`contender`] to start those who are measured and [`load`] to
//! put load on them. What was seen goes to the [`ledger`], every round of it. Nothing is derived
//! before all is measured: [`table`], [`target`] and [`chart`] are views of the ledger, [`docs`] puts
//! them into the project's pages. Apart are [`api`], a node with ten thousand functions in its store;
//! [`cold`], first calls driver by driver; [`command`], host commands beside a loop that starts shells;
//! [`connect`](mod@connect), lines through a connector; [`exec`], programs run over a socket; [`start`], a node's
//! first answer; and
//! [`guard`]: it counts instructions, which repeat, and fails when a call needs more than it may.

mod api;
mod chart;
mod cold;
mod command;
mod connect;
mod contender;
mod docs;
mod exec;
mod guard;
mod hot;
mod ledger;
mod load;
mod options;
mod part;
mod parts;
mod process;
mod stage;
mod start;
mod table;
mod target;
mod thaw;

pub(crate) use api::run as api;
pub(crate) use cold::run as cold;
pub(crate) use command::run as command;
pub(crate) use connect::run as connect;
pub(crate) use exec::run_all as exec;
pub(crate) use guard::run as guard;
pub(crate) use hot::run as hot;
pub(crate) use start::run_all as start;
