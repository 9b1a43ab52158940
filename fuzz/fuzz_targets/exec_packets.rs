//! See `hotfn_exec::packet::fuzzing::exec_packets`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hotfn_exec::packet::fuzzing::exec_packets(bytes));
