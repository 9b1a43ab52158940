//! The function's side of the contract, held to it in bytes: a process is served over a unix socket
//! or over pipes, and nothing on this side knows HTTP better than a page of code does.
//!
//! Numbers in the tests' comments are those of the contract's conformance cases.

mod call;
mod deadline;
mod gateway;
mod log;
mod served;
mod shutdown;
mod start;
mod stdio;
mod trace;
mod wire;
