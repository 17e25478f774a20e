//! What makes two requests the same activity.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use http::HeaderValue;

use crate::wire::decimal;

/// An activity as the channel identifies it: SHA-256 over `channelId`, `conversation.id`, `activity.id` and the body, each
/// preceded by its length in bytes as decimal text and a colon. The same in every process and version.
///
/// The body counts because Teams gives an edit, a deletion and every reaction the id of the message that they are about:
/// the same id with another body is another activity.
#[derive(Clone)]
pub struct ActivityId(Context);

/// An activity within its scope: from whom, and for which address. No two activities have the same, short of a collision of
/// SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub(super) [u8; 32]);

impl ActivityId {
    /// The id of an activity that came as `body`.
    pub fn new(channel: &str, conversation: &str, activity: &str, body: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        for part in [channel.as_bytes(), conversation.as_bytes(), activity.as_bytes(), body] {
            update(&mut context, part);
        }
        Self(context)
    }

    /// The `Idempotency-Key` that backends are given: 64 hexadecimal digits.
    pub fn idempotency_key(&self) -> HeaderValue {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digest = bytes(self.0.clone());
        let text: [u8; 64] = std::array::from_fn(|at| DIGITS[usize::from(digest[at / 2] >> (4 * (1 - at % 2)) & 15)]);
        // Hexadecimal digits are header text.
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("-"))
    }

    /// Its key among those of the same `scope`: an answer is never given to a request of another one.
    pub fn within<'a>(self, scope: impl IntoIterator<Item = &'a [u8]>) -> Key {
        let mut context = self.0;
        for part in scope {
            update(&mut context, part);
        }
        Key(bytes(context))
    }
}

/// The length keeps `("a", "bc")` apart from `("ab", "c")`.
fn update(context: &mut Context, part: &[u8]) {
    context.update(decimal(part.len() as u64, &mut [0; 20]));
    context.update(b":");
    context.update(part);
}

fn bytes(context: Context) -> [u8; 32] {
    let digest = context.finish();
    let mut bytes = [0; 32];
    // SHA-256 has 32 bytes: zip takes all of them.
    bytes.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    bytes
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:02x}{:02x}{:02x}{:02x}…)", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}

impl fmt::Debug for ActivityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActivityId({:?})", self.idempotency_key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(parts: [&str; 4]) -> ActivityId {
        ActivityId::new(parts[0], parts[1], parts[2], parts[3].as_bytes())
    }

    #[test]
    fn the_idempotency_key_is_what_readme_says_a_bot_can_compute() {
        // printf '7:msteams5:a:1-x3:17013:{"text":"hi"}' | sha256sum
        let key = id(["msteams", "a:1-x", "170", r#"{"text":"hi"}"#]).idempotency_key();
        assert_eq!(key, "84fdd2c06aeefd8764c66dca1ba6c5cb98cf5cf1fea043af8cbb60f5481aa9b7");
    }

    #[test]
    fn parts_cannot_run_into_each_other() {
        let all = [["a", "bc", "d", ""], ["ab", "c", "d", ""], ["a", "bc", "", "d"], ["1:a", "bc", "d", ""]];
        let keys: Vec<Key> = all.iter().map(|parts| id(*parts).within([])).collect();
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key), "{:?}", all[at]);
        }
    }

    #[test]
    fn an_activity_of_somebody_else_or_for_another_address_has_another_key() {
        let within = |scope: &[&str]| id(["c", "v", "i", "b"]).within(scope.iter().map(|part| part.as_bytes()));
        assert_eq!(within(&["ann", "/api"]), within(&["ann", "/api"]));
        assert_ne!(within(&["ann", "/api"]), within(&["bob", "/api"]));
        assert_ne!(within(&["ann", "/api"]), within(&["ann/api", ""]));
        assert_ne!(within(&["", "x"]), within(&["x", ""]));
    }
}
