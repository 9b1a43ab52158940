//! See `hotfn_server::command::fuzzing::command_text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hotfn_server::command::fuzzing::command_text(bytes));
