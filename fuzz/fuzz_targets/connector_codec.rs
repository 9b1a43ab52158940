//! See `hotfn_server::connector::fuzzing::connector_codec`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hotfn_server::connector::fuzzing::connector_codec(bytes));
