//! Certificates for tests.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};

use crate::config::CertificateConfig;

/// Writes a self-signed certificate for these names, and its key, to new files.
pub(crate) fn certificate_files(folder: &Path, names: &[&str]) -> CertificateConfig {
    certificate_by(folder, names, &rcgen::PKCS_ECDSA_P256_SHA256)
}

/// The same with a key of another kind.
pub(crate) fn certificate_by(folder: &Path, names: &[&str], by: &'static SignatureAlgorithm) -> CertificateConfig {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate_for(by).unwrap();
    let made = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    write(folder, &made.pem(), &key)
}

/// Writes a chain and a key to new files.
pub(crate) fn write(folder: &Path, chain: &str, key: &KeyPair) -> CertificateConfig {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let at = |end: &str| folder.join(format!("{number}.{end}"));
    let files = CertificateConfig { chain: at("pem"), key: at("key"), ocsp: None };
    std::fs::write(&files.chain, chain).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    files
}
