//! See `hotfn_images::fuzzing::image_reference`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hotfn_images::fuzzing::image_reference(bytes));
