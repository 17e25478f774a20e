//! TLS towards backends.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use crate::config::{BackendConfig, CertificateConfig};

/// How to speak TLS to one backend: what to trust, what to show, which name to ask for.
#[derive(Clone, Debug)]
pub struct TlsClient {
    /// Trust, client certificate, and the ALPN names that the config allows.
    pub config: Arc<ClientConfig>,
    /// The same, offering only HTTP/1.1: for upgrades, which HTTP/2 connections do not carry here.
    pub config_http1: Arc<ClientConfig>,
    /// SNI, and the name that the certificate must bear.
    pub server_name: ServerName<'static>,
}

/// Why TLS towards a backend cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A PEM file cannot be used.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The system has no CA certificates.
    #[error("no CA certificates found on this system: install ca-certificates, or give the backend a `ca` file")]
    NoSystemRoots,
    /// The server name is no DNS name or address.
    #[error("{0:?} is not a valid TLS server name")]
    ServerName(String),
    /// rustls refuses the combination.
    #[error("{0}")]
    Rustls(#[from] rustls::Error),
}

impl TlsClient {
    /// Sets up TLS for a backend; none when its URL is plain `http`. Reads its `ca` and client certificate files.
    ///
    /// # Errors
    /// [`TlsError`], naming the file or the name at fault.
    pub fn new(backend: &BackendConfig) -> Result<Option<Self>, TlsError> {
        if !backend.url.tls {
            return Ok(None);
        }
        let name = backend.server_name.as_ref().unwrap_or(&backend.url.host);
        let server_name = ServerName::try_from(name.clone()).map_err(|_| TlsError::ServerName(name.clone()))?;
        let roots = match &backend.ca {
            Some(path) => Arc::new(roots_of(path)?),
            None => system_roots()?,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut http1 = match &backend.client_certificate {
            Some(pair) => {
                let (chain, key) = client_pair(pair)?;
                builder.with_client_auth_cert(chain, key)?
            }
            None => builder.with_no_client_auth(),
        };
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut config = http1.clone();
        if backend.http2 {
            config.alpn_protocols.insert(0, b"h2".to_vec());
        }
        Ok(Some(Self { config: Arc::new(config), config_http1: Arc::new(http1), server_name }))
    }
}

fn file_error(path: &std::path::Path, problem: impl ToString) -> TlsError {
    TlsError::File { path: path.to_owned(), problem: problem.to_string() }
}

fn certificates(path: &std::path::Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| file_error(path, error))?.collect();
    let all = all.map_err(|error| file_error(path, error))?;
    if all.is_empty() {
        return Err(file_error(path, "holds no certificate"));
    }
    Ok(all)
}

fn roots_of(path: &std::path::Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| file_error(path, error))?;
    }
    Ok(roots)
}

fn client_pair(pair: &CertificateConfig) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let key = PrivateKeyDer::from_pem_file(&pair.key).map_err(|error| file_error(&pair.key, error))?;
    Ok((certificates(&pair.chain)?, key))
}

/// The system's CA certificates, read once: reading them takes longer than a reload should.
fn system_roots() -> Result<Arc<RootCertStore>, TlsError> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    });
    if roots.is_empty() { Err(TlsError::NoSystemRoots) } else { Ok(roots.clone()) }
}
