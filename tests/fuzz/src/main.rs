//! One program for all targets: BOTGATE_FUZZ_TARGET says which of them it is.
#![no_main]

use std::sync::OnceLock;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fn named() -> fn(&[u8]) {
    let name = std::env::var("BOTGATE_FUZZ_TARGET").unwrap_or_default();
    let found = botgate_fuzz::TARGETS.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("BOTGATE_FUZZ_TARGET={name:?} is no target; see tests/fuzz/src/lib.rs")).1
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| TARGET.get_or_init(named)(data));
