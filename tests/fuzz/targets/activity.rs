#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| { let _ = botgate::bot::Facts::read(data); });
