//! See `src/token.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| botgate_fuzz::token::target(data));
