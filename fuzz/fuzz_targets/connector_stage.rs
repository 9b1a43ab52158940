//! See `hotfn_server::connector::fuzzing::connector_stage`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hotfn_server::connector::fuzzing::connector_stage(bytes));
