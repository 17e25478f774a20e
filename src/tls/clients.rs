//! Client certificates: whose are accepted, and which of them were revoked.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::provider::provider;
use crate::config::{CertificateError, ClientAuthConfig, load_crls, load_roots};
use crate::pki::Identity;

/// Why client certificates cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A file of CA certificates or a revocation list cannot be read.
    #[error(transparent)]
    File(#[from] CertificateError),
    /// What was read cannot be used.
    #[error("{file}: {problem}")]
    Unusable {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Checks the certificates of clients. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ClientVerifier {
    inner: Arc<dyn ClientCertVerifier>,
    /// Of all that decides whose certificates are accepted.
    fingerprint: [u8; 32],
}

impl ClientVerifier {
    /// Reads the CA certificates and revocation lists of `config`. With lists, every certificate below a CA must be covered by
    /// one that is not out of date: what nobody can tell to be unrevoked is refused.
    ///
    /// # Errors
    /// [`ClientError`], which names the file.
    pub fn load(config: &ClientAuthConfig) -> Result<Self, ClientError> {
        let unusable =
            |path: &Path, problem: String| ClientError::Unusable { file: path.display().to_string(), problem };
        let mut all = digest::Context::new(&digest::SHA256);
        let mut add = |bytes: &[u8]| {
            all.update(&bytes.len().to_be_bytes());
            all.update(bytes);
        };
        add(&[u8::from(config.required)]);
        let mut roots = RootCertStore::empty();
        for root in load_roots(&config.ca)? {
            add(&root);
            roots.add(root).map_err(|error| unusable(&config.ca, error.to_string()))?;
        }
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        for path in &config.crls {
            for list in load_crls(path)? {
                add(&list);
                builder = builder.with_crls([list]);
            }
        }
        builder = builder.enforce_revocation_expiration();
        if !config.required {
            builder = builder.allow_unauthenticated();
        }
        let file = config.crls.first().unwrap_or(&config.ca);
        let inner = builder.build().map_err(|error| unusable(file, error.to_string()))?;
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(all.finish().as_ref());
        Ok(Self { inner, fingerprint })
    }

    /// What a handshake checks certificates with.
    pub(super) fn inner(&self) -> Arc<dyn ClientCertVerifier> {
        self.inner.clone()
    }

    /// The same for two verifiers that accept the same clients.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// Who the client is that has shown this chain, leaf first: checked again, as of now. A session that is resumed was checked
    /// when it began; its certificate may have been revoked or have ended since.
    ///
    /// # Errors
    /// Why the chain is no longer accepted.
    pub fn identify(&self, chain: &[CertificateDer<'_>]) -> Result<Identity, rustls::Error> {
        let malformed = rustls::Error::InvalidCertificate(rustls::CertificateError::BadEncoding);
        let (leaf, rest) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        self.inner.verify_client_cert(leaf, rest, UnixTime::now())?;
        Identity::read(leaf).ok_or(malformed)
    }
}
