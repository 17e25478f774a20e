//! What an issuer publishes: OpenID metadata and its keys.

use botgate::bot::token::{KeySet, jwks_uri};

pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(uri) = jwks_uri(text) {
        assert!((1..=2048).contains(&uri.len()));
    }
    let Ok(keys) = KeySet::read(text, None) else { return };
    assert!((1..=256).contains(&keys.len()));
    let again = KeySet::read(text, Some(&keys)).unwrap();
    assert_eq!(keys, again, "one set, read in two ways");
}
