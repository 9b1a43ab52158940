//! See `hotfn_exec::packet::fuzzing::exec_v1`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hotfn_exec::packet::fuzzing::exec_v1(bytes));
