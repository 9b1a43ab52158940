//! See `hotfn_protocols::fuzzing::gateway_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hotfn_protocols::fuzzing::gateway_answer(bytes));
