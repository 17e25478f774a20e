//! The key schedule's HKDF (RFC 5869; RFC 8446, section 7.1): rustls' own, by HMAC keys that are made once.
//!
//! A handshake derives a dozen secrets, most of them from few keys. The provider's own HKDF extracts a key anew for each secret
//! that is derived from it, and begins every HMAC with its key: a third of what a handshake computes.

use aws_lc_rs::hmac::{self, Context, HMAC_SHA256, HMAC_SHA384};
use rustls::crypto::hmac::{Hmac, Key, Tag};
use rustls::crypto::tls13::HkdfUsingHmac;

/// With SHA-256.
pub(super) static SHA256: HkdfUsingHmac<'static> = HkdfUsingHmac(&Algorithm(HMAC_SHA256));
/// With SHA-384.
pub(super) static SHA384: HkdfUsingHmac<'static> = HkdfUsingHmac(&Algorithm(HMAC_SHA384));

/// HMAC (RFC 2104) with one hash function.
struct Algorithm(hmac::Algorithm);

impl Hmac for Algorithm {
    fn with_key(&self, key: &[u8]) -> Box<dyn Key> {
        Box::new(Begun(hmac::Key::new(self.0, key)))
    }

    fn hash_output_len(&self) -> usize {
        self.0.tag_len()
    }
}

/// A key, begun: it is hashed once, not for every message that it signs.
struct Begun(hmac::Key);

impl Key for Begun {
    fn sign_concat(&self, first: &[u8], middle: &[&[u8]], last: &[u8]) -> Tag {
        let mut context = Context::with_key(&self.0);
        context.update(first);
        for part in middle {
            context.update(part);
        }
        context.update(last);
        Tag::new(context.sign().as_ref())
    }

    fn tag_len(&self) -> usize {
        self.0.algorithm().tag_len()
    }
}

#[cfg(test)]
mod tests {
    use rustls::SupportedCipherSuite;
    use rustls::crypto::aws_lc_rs::cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384};
    use rustls::crypto::tls13::Hkdf;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// RFC 5869, appendices A.1 to A.3.
    #[test]
    fn it_derives_what_the_rfc_says() {
        let counted = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
        let long = (counted(0x60, 0xaf), counted(0x00, 0x4f), counted(0xb0, 0xff));
        let cases = [
            (
                (counted(0x00, 0x0c), vec![0x0b; 22], counted(0xf0, 0xf9)),
                "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
            ),
            (
                long,
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
            ),
            (
                (Vec::new(), vec![0x0b; 22], Vec::new()),
                "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
            ),
        ];
        for ((salt, secret, info), expected) in cases {
            let expected = bytes(expected);
            let mut output = vec![0; expected.len()];
            let (one, two) = info.split_at(info.len() / 2);
            SHA256.extract_from_secret(Some(&salt), &secret).expand_slice(&[one, two], &mut output).unwrap();
            assert_eq!(output, expected);
        }
    }

    #[test]
    fn it_derives_what_the_provider_does() {
        for (ours, theirs) in [(&SHA256, TLS13_AES_128_GCM_SHA256), (&SHA384, TLS13_AES_256_GCM_SHA384)] {
            let SupportedCipherSuite::Tls13(theirs) = theirs else { panic!("{theirs:?}") };
            let theirs = theirs.hkdf_provider;
            let derived = |kdf: &dyn Hkdf, salt: Option<&[u8]>, secret: Option<&[u8]>| {
                let expander = match secret {
                    Some(secret) => kdf.extract_from_secret(salt, secret),
                    None => kdf.extract_from_zero_ikm(salt),
                };
                let block = expander.expand_block(&[b"tls13 ", b"c hs traffic", &[7; 48]]);
                let mut output = vec![block.as_ref().to_vec()];
                let mut long = vec![0; 200];
                kdf.expander_for_okm(&block).expand_slice(&[b"key"], &mut long).unwrap();
                output.push(long);
                output.push(kdf.hmac_sign(&block, b"finished").as_ref().to_vec());
                assert_eq!(expander.hash_len(), block.as_ref().len());
                output
            };
            for salt in [None, Some(&b"salt"[..]), Some(&[9; 200])] {
                for secret in [None, Some(&b"secret"[..]), Some(&[8; 1000])] {
                    assert_eq!(derived(ours, salt, secret), derived(theirs, salt, secret));
                }
            }
        }
    }

    #[test]
    fn no_more_is_derived_than_there_may_be() {
        let expander = SHA256.extract_from_zero_ikm(None);
        assert!(expander.expand_slice(&[], &mut [0; 255 * 32]).is_ok());
        assert!(expander.expand_slice(&[], &mut [0; 255 * 32 + 1]).is_err());
    }
}
