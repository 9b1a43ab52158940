//! See `hotfn_protocols::fuzzing::cloudevent_call`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hotfn_protocols::fuzzing::cloudevent_call(bytes));
