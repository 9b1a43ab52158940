//! See `hotfn_images::fuzzing::image_layer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hotfn_images::fuzzing::image_layer(bytes));
