//! Which suites and groups are spoken, by name: a new version of the library changes nothing of it unseen.

use std::sync::{Arc, LazyLock};

use rustls::crypto::aws_lc_rs::{self, cipher_suite as suite, kx_group as group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

/// TLS 1.3 and 1.2, and nothing older (RFC 8996).
pub(super) static VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

/// All of them encrypt with authentication (AEAD), and no key that is stolen later opens what was recorded (ephemeral
/// Diffie-Hellman). In the order in which they are taken, whatever the
/// client prefers; within TLS 1.2 the certificate decides between ECDSA and RSA.
static SUITES: [SupportedCipherSuite; 9] = [
    suite::TLS13_AES_256_GCM_SHA384,
    suite::TLS13_AES_128_GCM_SHA256,
    suite::TLS13_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// First the hybrid that a quantum computer does not open (draft-ietf-tls-ecdhe-mlkem); the others for clients without it.
static GROUPS: [&dyn SupportedKxGroup; 4] = [group::X25519MLKEM768, group::X25519, group::SECP256R1, group::SECP384R1];

/// aws-lc-rs with these suites and groups.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        Arc::new(CryptoProvider {
            cipher_suites: SUITES.to_vec(),
            kx_groups: GROUPS.to_vec(),
            ..aws_lc_rs::default_provider()
        })
    });
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
        assert_eq!(provider().cipher_suites.len(), SUITES.len());
    }
}
