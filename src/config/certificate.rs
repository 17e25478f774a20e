//! Certificate files: read, matched with their key, and looked at for what will soon be wrong with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A certificate chain and its key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateConfig {
    /// The chain, leaf first.
    pub chain: PathBuf,
    /// The private key of the leaf.
    pub key: PathBuf,
}

/// Why a certificate cannot be used. Names files, never their content.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not PEM, or what it holds is no certificate.
    #[error("{} is malformed: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A chain or CA file holds no certificate.
    #[error("{} holds no certificate", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A key file holds no private key.
    #[error("{} holds no private key", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key is of a kind that cannot sign.
    #[error("the private key in {} cannot be used: {reason}", path.display())]
    BadKey {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The key is not the certificate's.
    #[error("the private key in {} does not belong to the first certificate in {}", key.display(), chain.display())]
    Mismatch {
        /// The chain file.
        chain: PathBuf,
        /// The key file.
        key: PathBuf,
    },
}

impl CertificateError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "check the path, which is relative to the config file, and who may read it",
            Self::Malformed { .. } => "PEM is expected: -----BEGIN …----- blocks, complete",
            Self::NoCertificate { .. } => "it must hold -----BEGIN CERTIFICATE----- blocks; is it the key file?",
            Self::NoKey { .. } => "it must hold an unencrypted PKCS#8, PKCS#1 or SEC1 key; is it the chain file?",
            Self::BadKey { .. } => {
                "use an RSA key of at least 2048 bits, an ECDSA key on P-256, P-384 or P-521, or Ed25519"
            }
            Self::Mismatch { .. } => "the leaf must come first in the chain, and the key must be the leaf's",
        }
    }
}

/// Reads a chain and its key, and makes sure that they belong together.
///
/// # Errors
/// [`CertificateError`], when a file is missing, unreadable or malformed, or the key is not the certificate's.
pub fn load_certified_key(config: &CertificateConfig) -> Result<Arc<CertifiedKey>, CertificateError> {
    let chain = load_roots(&config.chain)?;
    let key = load_key(&config.key)?;
    let provider = aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map(Arc::new).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            CertificateError::Mismatch { chain: config.chain.clone(), key: config.key.clone() }
        }
        rustls::Error::InvalidCertificate(reason) => {
            CertificateError::Malformed { path: config.chain.clone(), reason: format!("{reason:?}") }
        }
        other => CertificateError::BadKey { path: config.key.clone(), reason: other.to_string() },
    })
}

/// Reads every certificate of a PEM file: a chain, or the CA certificates to trust.
///
/// # Errors
/// [`CertificateError`], when the file is missing, unreadable, malformed or holds no certificate.
pub fn load_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let text = read(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| malformed(path, &error))?;
    if certificates.is_empty() {
        return Err(CertificateError::NoCertificate { path: path.to_owned() });
    }
    for certificate in &certificates {
        X509Certificate::from_der(certificate).map_err(|error| CertificateError::Malformed {
            path: path.to_owned(),
            reason: format!("no X.509 certificate ({error})"),
        })?;
    }
    Ok(certificates)
}

fn load_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let text = read(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => CertificateError::NoKey { path: path.to_owned() },
        other => malformed(path, &other),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    std::fs::read(path).map_err(|source| CertificateError::Unreadable { path: path.to_owned(), source })
}

/// Without what the parser saw: a broken key file must not end in a log.
fn malformed(path: &Path, error: &pem::Error) -> CertificateError {
    let reason = match error {
        pem::Error::MissingSectionEnd { .. } => "a block has no end",
        pem::Error::IllegalSectionStart { .. } => "a block has a broken first line",
        pem::Error::Base64Decode(_) => "a block is not base64",
        _ => "it is not PEM",
    };
    CertificateError::Malformed { path: path.to_owned(), reason: reason.to_owned() }
}

/// What will be wrong with a certificate that can be used, as (message, hint); `now` is the wall clock.
pub(super) fn worries(config: &CertificateConfig, leaf: &[u8], now: SystemTime) -> Vec<(String, &'static str)> {
    let mut worries = Vec::new();
    if let Ok((_, leaf)) = X509Certificate::from_der(leaf) {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().try_into().unwrap_or(i64::MAX));
        let (from, until) = (leaf.validity().not_before, leaf.validity().not_after);
        let chain = config.chain.display();
        if until.timestamp() < now {
            worries.push((format!("the certificate in {chain} expired on {until}"), "renew it: it will be refused"));
        } else if from.timestamp() > now {
            let message = format!("the certificate in {chain} is not valid before {from}");
            worries.push((message, "check this machine's clock, or wait"));
        }
    }
    if readable_by_others(&config.key) {
        let message = format!("the private key {} can be read by other users", config.key.display());
        worries.push((message, "chmod 0600, owned by the user that runs botgate"));
    }
    worries
}

#[cfg(unix)]
fn readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o044 != 0)
}

#[cfg(not(unix))]
fn readable_by_others(_: &Path) -> bool {
    false
}
