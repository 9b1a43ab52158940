//! Stories of the whole system, one binary, a module a story.
//!
//! Each starts the real programs and looks at them from outside. What a machine must have beyond
//! Rust is said aloud where it is missing; `cargo xtask test` brings it.

mod access;
mod api_description;
mod build;
mod calls;
mod cli;
mod client;
mod conformance;
mod connectors;
mod containers;
mod crash;
mod dev;
mod drain;
mod examples;
mod exec;
mod faults;
mod fn_cli;
mod formats;
mod hangup;
mod hot;
mod identity;
mod listening;
mod manager;
mod package;
mod real_fdks;
mod rooms;
mod secrets;
mod slow_callers;
mod static_program;
mod store;
mod streaming;
mod systemd;
mod taking_over;
mod watching;
