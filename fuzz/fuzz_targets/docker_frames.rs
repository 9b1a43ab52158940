//! See `hotfn::fuzzing::docker_frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hotfn::fuzzing::docker_frames(bytes));
