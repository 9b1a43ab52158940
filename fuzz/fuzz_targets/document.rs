//! See `hotfn_protocols::fuzzing::document`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hotfn_protocols::fuzzing::document(bytes));
