//! Certificate files: read, matched with their key, and looked at for what will soon be wrong with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::revocation_list::CertificateRevocationList;

use crate::pki::{Facts, Phase, ocsp};

/// A certificate chain and its key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateConfig {
    /// The chain, leaf first.
    pub chain: PathBuf,
    /// The private key of the leaf.
    pub key: PathBuf,
    /// An OCSP response (DER) to staple while it is good and fresh.
    pub ocsp: Option<PathBuf>,
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
    /// A file holds no certificate revocation list.
    #[error("{} holds no certificate revocation list", path.display())]
    NoCrl {
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
            Self::NoCrl { .. } => "it must hold -----BEGIN X509 CRL----- blocks (openssl crl -inform der -outform pem)",
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

/// Reads every certificate revocation list (RFC 5280, section 5) of a PEM file.
///
/// # Errors
/// [`CertificateError`], when the file is missing, unreadable, malformed or holds no list.
pub fn load_crls(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, CertificateError> {
    let text = read(path)?;
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&text).collect();
    let lists = lists.map_err(|error| malformed(path, &error))?;
    if lists.is_empty() {
        return Err(CertificateError::NoCrl { path: path.to_owned() });
    }
    for list in &lists {
        CertificateRevocationList::from_der(list).map_err(|error| CertificateError::Malformed {
            path: path.to_owned(),
            reason: format!("no certificate revocation list ({error})"),
        })?;
    }
    Ok(lists)
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

/// What will be wrong with a certificate that can be used, as (message, hint); `now` is the wall clock, `group_reads` whether
/// the group of a key file may read it.
pub(super) fn worries(
    config: &CertificateConfig,
    chain: &[CertificateDer<'_>],
    now: UnixTime,
    group_reads: bool,
) -> Vec<(String, &'static str)> {
    let mut worries = Vec::new();
    let file = config.chain.display();
    if let Some(facts) = chain.first().and_then(|leaf| Facts::read(leaf)) {
        let left = facts.not_after.saturating_sub(i64::try_from(now.as_secs()).unwrap_or(i64::MAX)) / 86_400;
        match facts.phase(now) {
            Phase::Valid => {}
            Phase::Expired => {
                let message = format!("the certificate in {file} expired on {}", day(facts.not_after));
                worries.push((message, "renew it: it will be refused"));
            }
            Phase::Ending => {
                let message = format!("the certificate in {file} ends in {left} days, on {}", day(facts.not_after));
                worries.push((message, "renew it: the files are read again as soon as they change"));
            }
            Phase::Early => {
                let message = format!("the certificate in {file} is not valid before {}", day(facts.not_before));
                worries.push((message, "check this machine's clock, or wait"));
            }
        }
    }
    if let Some(message) = exposed(&config.key, group_reads) {
        worries.push((message, "chmod 0600, owned by the user that runs botgate"));
    }
    worries
}

/// What is wrong with stapling to a certificate that can be used; `fetch` is whether responses are fetched for it.
pub(super) fn staple_worries(
    config: &CertificateConfig,
    chain: &[CertificateDer<'_>],
    fetch: bool,
    now: UnixTime,
) -> Vec<(String, &'static str)> {
    let mut worries = Vec::new();
    let Some(facts) = chain.first().and_then(|leaf| Facts::read(leaf)) else { return worries };
    let file = config.chain.display();
    let issuer = chain.get(1);
    if let (Some(path), Some(issuer)) = (&config.ocsp, issuer) {
        let judged = std::fs::read(path)
            .map_err(|error| error.to_string())
            .and_then(|response| ocsp::judge(&response, &chain[0], issuer, now).map_err(|fault| fault.to_string()));
        if let Err(why) = judged {
            let message = format!("the OCSP response in {} will not be stapled: {why}", path.display());
            worries.push((message, "DER, as `openssl ocsp -respout` writes it; without a good one none is stapled"));
        }
    }
    let wanted = fetch || config.ocsp.is_some();
    if wanted && issuer.is_none() {
        let message = format!("nothing can be stapled: {file} holds the leaf alone");
        worries.push((message, "append the certificate of its issuer (the intermediate CA)"));
    }
    if fetch && issuer.is_some() && facts.responder.is_none() {
        let message = format!("nothing can be fetched: the certificate in {file} names no OCSP responder");
        worries.push((message, "its CA offers none, as many do now: ocsp = \"off\""));
    }
    if facts.must_staple && !wanted {
        let message = format!("clients refuse the certificate in {file} without a stapled OCSP response (must-staple)");
        worries.push((message, "ocsp = \"fetch\" on the listener, or ocsp = \"FILE\" beside chain and key"));
    }
    worries
}

/// A day as people write it.
fn day(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| "?".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
}

/// What is wrong with who may read or write a key file.
#[cfg(unix)]
fn exposed(path: &Path, group_reads: bool) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    let path = path.display();
    let readers = if group_reads { 0o004 } else { 0o044 };
    match (mode & readers != 0, mode & 0o022 != 0) {
        (true, _) => Some(format!("the private key {path} can be read by other users")),
        (false, true) => Some(format!("the private key {path} can be replaced by other users")),
        (false, false) => None,
    }
}

#[cfg(not(unix))]
fn exposed(_: &Path, _: bool) -> Option<String> {
    None
}
