//! Reads a certificate chain and its key from PEM files.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::config::CertificateConfig;

/// Why a certificate cannot be used. Names files, never their content.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificateError {
    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: pem::Error },
    #[error("{} holds no certificate; it must be PEM, leaf first", path.display())]
    Empty { path: PathBuf },
    #[error("the key {} cannot be used: {source}", path.display())]
    Key { path: PathBuf, source: rustls::Error },
    #[error("the key {} does not belong to the certificate {}", key.display(), chain.display())]
    Mismatch { chain: PathBuf, key: PathBuf },
}

/// Reads a chain and its key, and checks that they belong together.
pub(super) fn load_certified_key(files: &CertificateConfig) -> Result<Arc<CertifiedKey>, CertificateError> {
    let unreadable = |path: &PathBuf| {
        let path = path.clone();
        move |source| CertificateError::Unreadable { path, source }
    };
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(&files.chain).and_then(Iterator::collect).map_err(unreadable(&files.chain))?;
    if chain.is_empty() {
        return Err(CertificateError::Empty { path: files.chain.clone() });
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(unreadable(&files.key))?;
    let key = aws_lc_rs::sign::any_supported_type(&key)
        .map_err(|source| CertificateError::Key { path: files.key.clone(), source })?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(Arc::new(certified)),
        Err(_) => Err(CertificateError::Mismatch { chain: files.chain.clone(), key: files.key.clone() }),
    }
}
