//! See `src/h2.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| botgate_fuzz::h2::target(data));
