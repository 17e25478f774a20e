//! A hash for names that an operator has written: a few instructions for eight bytes.
//!
//! Who asks chooses what is looked for, and could choose it by its hash. But only what stands in the config is there to
//! collide with, so no request can make a look-up longer than the config does.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// By names that no client adds to.
pub(super) type ByName<V> = HashMap<Box<str>, V, BuildHasherDefault<NameHasher>>;

/// An odd number whose bits look like chance: the fraction of the golden ratio.
const MIX: u64 = 0x9E37_79B9_7F4A_7C15;

#[derive(Debug, Default)]
pub(super) struct NameHasher(u64);

impl NameHasher {
    fn take(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(MIX);
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.take(u64::from_le_bytes(*word)));
        let rest = rest.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte));
        self.take(rest ^ ((bytes.len() as u64) << 56));
    }

    fn write_u8(&mut self, byte: u8) {
        self.take(u64::from(byte));
    }

    fn finish(&self) -> u64 {
        // A product's upper bits are the good ones; a table looks at both ends.
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, BuildHasherDefault};

    use super::*;

    #[test]
    fn names_that_are_alike_are_spread_evenly() {
        let hasher = BuildHasherDefault::<NameHasher>::default();
        let names = (0..10_000).map(|at| format!("bot{at}.contoso.com"));
        let hashes: Vec<u64> = names.map(|name| hasher.hash_one(name.as_str())).collect();
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), hashes.len());
        let mut low = vec![0; 1024];
        hashes.iter().for_each(|hash| low[*hash as usize % 1024] += 1);
        let most = low.iter().max().unwrap();
        assert!(*most < 40, "10 in each on average, {most} in one");
    }

    #[test]
    fn the_length_counts() {
        let hasher = BuildHasherDefault::<NameHasher>::default();
        assert_ne!(hasher.hash_one(""), hasher.hash_one("\0"));
        assert_ne!(hasher.hash_one("a\0"), hasher.hash_one("a"));
    }
}
