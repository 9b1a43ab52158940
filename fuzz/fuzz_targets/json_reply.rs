//! See `hotfn_protocols::fuzzing::json_reply`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hotfn_protocols::fuzzing::json_reply(bytes));
