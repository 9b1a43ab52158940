//! See `hotfn_protocols::fuzzing::http1_served`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hotfn_protocols::fuzzing::http1_served(bytes));
