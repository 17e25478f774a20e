//! Which suites and groups are spoken, by name: a new version of the library changes nothing of it unseen.

use std::sync::{Arc, LazyLock};

use rustls::crypto::aws_lc_rs::{self, cipher_suite as suite, kx_group as group};
use rustls::crypto::tls13::Hkdf;
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{CipherSuiteCommon, SupportedCipherSuite, SupportedProtocolVersion, Tls13CipherSuite};

use super::kdf;
use crate::config::CipherOrder;

/// TLS 1.3 and 1.2, and nothing older (RFC 8996).
pub(super) static VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

/// What a suite encrypts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    Aes128,
    Aes256,
    ChaCha20,
}

/// The suites of a cipher: of TLS 1.3, and of 1.2, where the certificate decides between ECDSA and RSA. All of them encrypt
/// with authentication (AEAD), and no key that is stolen later opens what was recorded (ephemeral Diffie-Hellman).
type Suites = [SupportedCipherSuite; 3];

static AES_128: LazyLock<Suites> = LazyLock::new(|| {
    [
        with(&kdf::SHA256, suite::TLS13_AES_128_GCM_SHA256),
        suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ]
});
static AES_256: LazyLock<Suites> = LazyLock::new(|| {
    [
        with(&kdf::SHA384, suite::TLS13_AES_256_GCM_SHA384),
        suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ]
});
static CHACHA20: LazyLock<Suites> = LazyLock::new(|| {
    [
        with(&kdf::SHA256, suite::TLS13_CHACHA20_POLY1305_SHA256),
        suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ]
});

/// First the hybrid that a quantum computer does not open (draft-ietf-tls-ecdhe-mlkem); the others for clients without it.
static GROUPS: [&dyn SupportedKxGroup; 4] = [group::X25519MLKEM768, group::X25519, group::SECP256R1, group::SECP384R1];

impl Cipher {
    /// The order in which they are taken, for clients that put ChaCha20 before AES or not. The client's own order is the
    /// library's to follow.
    ///
    /// AES-128 is the fastest, for AES is in hardware wherever a gateway runs, and SHA-256, which comes with it in TLS 1.3, more
    /// often than SHA-384. Who has no AES in hardware puts ChaCha20 first, and has it.
    pub(super) const fn order(order: CipherOrder, chacha20_first: bool) -> [Self; 3] {
        match (order, chacha20_first) {
            (CipherOrder::Fast | CipherOrder::Client, false) => [Self::Aes128, Self::Aes256, Self::ChaCha20],
            (CipherOrder::Fast | CipherOrder::Client, true) => [Self::ChaCha20, Self::Aes128, Self::Aes256],
            (CipherOrder::Strong, false) => [Self::Aes256, Self::ChaCha20, Self::Aes128],
            (CipherOrder::Strong, true) => [Self::ChaCha20, Self::Aes256, Self::Aes128],
        }
    }

    fn suites(self) -> Suites {
        *match self {
            Self::Aes128 => LazyLock::force(&AES_128),
            Self::Aes256 => LazyLock::force(&AES_256),
            Self::ChaCha20 => LazyLock::force(&CHACHA20),
        }
    }
}

/// A suite of TLS 1.3 with another key schedule's HKDF. It is made once, and kept.
fn with(kdf: &'static dyn Hkdf, suite: SupportedCipherSuite) -> SupportedCipherSuite {
    let SupportedCipherSuite::Tls13(theirs) = suite else { return suite };
    let CipherSuiteCommon { suite, hash_provider, confidentiality_limit } = theirs.common;
    let common = CipherSuiteCommon { suite, hash_provider, confidentiality_limit };
    let ours = Tls13CipherSuite { common, hkdf_provider: kdf, aead_alg: theirs.aead_alg, quic: None };
    SupportedCipherSuite::Tls13(Box::leak(Box::new(ours)))
}

/// aws-lc-rs with our groups, and our suites in this order.
pub(super) fn in_order(ciphers: [Cipher; 3]) -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: ciphers.into_iter().flat_map(Cipher::suites).collect(),
        kx_groups: GROUPS.to_vec(),
        ..aws_lc_rs::default_provider()
    })
}

/// aws-lc-rs with our suites and groups.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| in_order(Cipher::order(CipherOrder::Fast, false)));
    PROVIDER.clone()
}

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;
    use rustls::crypto::KeyExchangeAlgorithm;

    use super::*;

    #[test]
    fn the_post_quantum_hybrid_comes_first_and_no_group_is_weak() {
        let groups: Vec<NamedGroup> = provider().kx_groups.iter().map(|group| group.name()).collect();
        let expected = [NamedGroup::X25519MLKEM768, NamedGroup::X25519, NamedGroup::secp256r1, NamedGroup::secp384r1];
        assert_eq!(groups, expected);
    }

    #[test]
    fn every_suite_is_aead_with_ephemeral_keys() {
        for suite in &provider().cipher_suites {
            let name = format!("{:?}", suite.suite());
            assert!(name.contains("GCM") || name.contains("CHACHA20_POLY1305"), "{name}");
            assert!(name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_"), "{name}");
            if let SupportedCipherSuite::Tls12(suite) = suite {
                assert_eq!(suite.kx, KeyExchangeAlgorithm::ECDHE);
            }
        }
    }

    #[test]
    fn every_order_has_every_suite_and_chacha20_first_for_who_puts_it_first() {
        let mut all: Vec<_> = provider().cipher_suites.iter().map(|suite| suite.suite()).collect();
        all.sort_by_key(|suite| u16::from(*suite));
        assert_eq!(all.len(), 9);
        for (order, first) in [
            (CipherOrder::Fast, Cipher::Aes128),
            (CipherOrder::Strong, Cipher::Aes256),
            (CipherOrder::Client, Cipher::Aes128),
        ] {
            for (chacha20, first) in [(false, first), (true, Cipher::ChaCha20)] {
                let ciphers = Cipher::order(order, chacha20);
                assert_eq!(ciphers[0], first, "{order:?}");
                let suites = in_order(ciphers).cipher_suites.clone();
                let mut suites: Vec<_> = suites.iter().map(|suite| suite.suite()).collect();
                suites.sort_by_key(|suite| u16::from(*suite));
                assert_eq!(suites, all, "{order:?}");
            }
        }
    }
}
