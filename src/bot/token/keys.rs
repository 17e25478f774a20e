//! The keys that an issuer publishes, parsed and ready to verify.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::Value;

use super::bearer::decoded;
use super::claims::LONGEST_KID;

/// Most keys of a set. Issuers publish about a dozen.
const MOST_KEYS: usize = 256;
/// Most endorsements of a key. The connector's have about fifty.
const MOST_ENDORSEMENTS: usize = 1024;
/// Smallest and largest modulus, in bytes: 2048 to 8192 bits (RFC 7518, section 3.3; more is only slow).
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;
/// Longest public exponent, in bytes.
const EXPONENT: usize = 4;

/// The usable keys of an issuer, by name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KeySet {
    keys: HashMap<Box<str>, Arc<Key>>,
}

/// One RSA key.
pub(super) struct Key {
    kid: Box<str>,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    /// Channels whose activities it may vouch for; empty: any.
    endorsements: Vec<Box<str>>,
    /// Parsed once: its Montgomery form is half of what a signature costs to verify.
    verifies: ParsedPublicKey,
}

/// Why there is no set of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// It is no JSON, or no object with an array `keys`.
    #[error("this is no set of keys (JWKS): {0}")]
    NoSet(String),
    /// None of its keys can verify RS256.
    #[error("none of its {0} keys can be used: RSA, use = sig, with a kid")]
    NoUsableKey(usize),
}

impl KeySet {
    /// Reads a JWKS (RFC 7517). Keys that cannot verify RS256 are passed over; of two of one name the first counts. Keys that
    /// `former` has as well are shared with it, so that tokens that were verified with them need not be verified again.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn read(json: &str, former: Option<&Self>) -> Result<Self, KeyFault> {
        let set: Value = serde_json::from_str(json).map_err(|error| KeyFault::NoSet(error.to_string()))?;
        let all = set.get("keys").and_then(Value::as_array);
        let all = all.ok_or_else(|| KeyFault::NoSet("it has no array `keys`".to_owned()))?;
        let mut keys = HashMap::new();
        for key in all.iter().filter_map(Key::read).take(MOST_KEYS) {
            let known = former.and_then(|former| former.keys.get(&key.kid)).filter(|known| ***known == key);
            let key = known.cloned().unwrap_or_else(|| Arc::new(key));
            keys.entry(key.kid.clone()).or_insert(key);
        }
        if keys.is_empty() { Err(KeyFault::NoUsableKey(all.len())) } else { Ok(Self { keys }) }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key of this name.
    pub(super) fn find(&self, kid: &str) -> Option<&Arc<Key>> {
        self.keys.get(kid)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys.keys()).finish()
    }
}

impl Key {
    /// A key of a JWKS; none when it cannot be used.
    fn read(json: &Value) -> Option<Self> {
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        let absent_or = |name: &str, wanted: &str| json.get(name).is_none_or(|value| value.as_str() == Some(wanted));
        if text("kty") != Some("RSA") || !absent_or("use", "sig") || !absent_or("alg", "RS256") {
            return None;
        }
        let verifies = |all: &Value| all.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"));
        if !json.get("key_ops").is_none_or(verifies) {
            return None;
        }
        let kid = text("kid").filter(|kid| (1..=LONGEST_KID).contains(&kid.len()))?;
        let (modulus, exponent) = (number(text("n")?)?, number(text("e")?)?);
        let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        if !MODULUS.contains(&modulus.len()) || !odd(&modulus) || !odd(&exponent) || exponent.len() > EXPONENT {
            return None;
        }
        // 2048 bits, not just 256 bytes; and an exponent of 1 would sign nothing.
        if (modulus.len() == *MODULUS.start() && modulus[0] < 0x80) || exponent == [1] {
            return None;
        }
        // Endorsements that cannot be read must not turn into a key that needs none.
        let endorsements = match json.get("endorsements") {
            None => Vec::new(),
            Some(all) => all
                .as_array()
                .filter(|all| all.len() <= MOST_ENDORSEMENTS)?
                .iter()
                .map(endorsement)
                .collect::<Option<_>>()?,
        };
        let public = RsaPublicKeyComponents { n: &modulus, e: &exponent };
        let verifies = public.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()?;
        Some(Self { kid: kid.into(), modulus, exponent, endorsements, verifies })
    }

    /// Whether `signature` (in base64url) is this key's RS256 signature of `signed`.
    pub(super) fn verify(&self, signed: &str, signature: &str) -> bool {
        // RS256 is RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, section 3.3).
        decoded(signature).is_ok_and(|signature| self.verifies.verify_sig(signed.as_bytes(), &signature).is_ok())
    }

    /// Whether it may vouch for activities of this channel. A key without endorsements may for all.
    pub(super) fn endorses(&self, channel: Option<&str>) -> bool {
        self.endorsements.is_empty()
            || channel.is_some_and(|channel| self.endorsements.iter().any(|one| **one == *channel))
    }
}

/// An unsigned number as JWKs write it, without leading zeros (RFC 7518, section 6.3.1: some write them all the same).
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = decoded(text.trim_end_matches('=')).ok()?;
    let start = bytes.iter().position(|byte| *byte != 0)?;
    Some(bytes[start..].to_vec())
}

fn endorsement(value: &Value) -> Option<Box<str>> {
    value.as_str().filter(|text| (1..=256).contains(&text.len())).map(Into::into)
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        let all = |key: &Self| (key.kid.clone(), key.modulus.clone(), key.exponent.clone(), key.endorsements.clone());
        all(self) == all(other)
    }
}

impl Eq for Key {}
