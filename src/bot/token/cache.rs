//! Tokens whose signature was verified before: the channel sends the same one for up to an hour.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::claims::Claims;
use super::keys::Key;

/// Most tokens of one generation, and most bytes of them.
const MOST: usize = 1024;
const BYTES: usize = 2 << 20;

/// What is known of a token, besides that its signature is good.
pub(super) struct Known {
    pub(super) kid: String,
    pub(super) claims: Claims,
    /// The key that it was verified with. As long as its issuer publishes this very key, the signature need not be verified
    /// again.
    pub(super) key: Arc<Key>,
}

/// One worker's memory of verified tokens, by their exact bytes.
///
/// Two generations: when the young one is full it becomes the old one, and what was in the old one and not asked for since
/// is forgotten. Only tokens with a good signature get in, so nobody without one can fill it.
#[derive(Default)]
pub struct TokenCache {
    young: HashMap<Box<str>, Known>,
    old: HashMap<Box<str>, Known>,
    bytes: usize,
}

impl TokenCache {
    /// What is known of this token.
    pub(super) fn find(&mut self, token: &str) -> Option<&Known> {
        // Looked up before it is got: a borrow that may be returned would bind the map until the end.
        if !self.young.contains_key(token) {
            let (token, known) = self.old.remove_entry(token)?;
            self.insert(token, known);
        }
        self.young.get(token)
    }

    /// Remembers a token whose signature is good.
    pub(super) fn keep(&mut self, token: &str, known: Known) {
        self.old.remove(token);
        self.insert(token.into(), known);
    }

    /// How many tokens it remembers.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether it remembers none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn insert(&mut self, token: Box<str>, known: Known) {
        if self.young.len() >= MOST || self.bytes + token.len() > BYTES {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        let length = token.len();
        if self.young.insert(token, known).is_none() {
            self.bytes += length;
        }
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the tokens.
        f.debug_struct("TokenCache").field("tokens", &self.len()).finish()
    }
}
