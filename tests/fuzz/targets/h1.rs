//! See `src/h1.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| botgate_fuzz::h1::target(data));
