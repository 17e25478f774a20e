//! See `src/journal.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| botgate_fuzz::journal::target(data));
