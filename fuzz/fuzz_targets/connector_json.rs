//! See `hotfn_server::connector::fuzzing::connector_json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hotfn_server::connector::fuzzing::connector_json(bytes));
