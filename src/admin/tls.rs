//! TLS of the admin listener: its certificates, and the callers' whose CA it believes.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use rustls::crypto::aws_lc_rs as provider;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use x509_parser::extensions::GeneralName;

use super::identity::Realm;
use crate::config::{AdminTls, load_certified_key, load_roots};

/// What connections are begun with.
pub(super) struct Tls {
    pub(super) config: Arc<ServerConfig>,
    /// Whose certificates are believed; none: nobody's is asked for.
    pub(super) realm: Option<Realm>,
    /// The DNS names that the certificates bear, lower case; with `*.` where it is a wildcard.
    names: Vec<String>,
}

impl Tls {
    /// Whether a certificate bears this name (lower case), by a wildcard of its leftmost label if need be (RFC 9525,
    /// section 6.3).
    pub(super) fn bears(&self, name: &str) -> bool {
        let parent = name.split_once('.').map(|(_, parent)| parent);
        self.names.iter().any(|known| match known.strip_prefix("*.") {
            Some(known) => parent == Some(known),
            None => known == name,
        })
    }
}

/// Reads the files and builds what connections are begun with.
///
/// No session is resumed: who has shown a certificate shows it again at each connection, to the CA of that moment.
///
/// # Errors
/// Which file is bad, and why.
pub(super) fn set_up(files: &AdminTls) -> Result<Tls, String> {
    let keys = files.certificates.iter().map(|file| load_certified_key(file).map_err(|error| error.to_string()));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    let (resolver, names) = Resolver::new(&keys).ok_or("it needs a certificate to speak TLS")?;
    let provider = Arc::new(provider::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| error.to_string())?;
    let (builder, realm) = match &files.client_ca {
        None => (builder.with_no_client_auth(), None),
        Some(path) => {
            let certificates = load_roots(path).map_err(|error| error.to_string())?;
            let realm = realm(&certificates);
            let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
            let mut roots = RootCertStore::empty();
            for certificate in certificates {
                roots.add(certificate).map_err(|error| wrong(&error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                // A token will do as well.
                .allow_unauthenticated()
                .build()
                .map_err(|error| wrong(&error))?;
            (builder.with_client_cert_verifier(verifier), Some(realm))
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Tls { config: Arc::new(config), realm, names })
}

/// What tells one set of CA certificates from another.
fn realm(certificates: &[CertificateDer<'_>]) -> Realm {
    let mut context = Context::new(&SHA256);
    for certificate in certificates {
        context.update(&certificate.len().to_be_bytes());
        context.update(certificate);
    }
    let mut realm = [0; 32];
    realm.copy_from_slice(context.finish().as_ref());
    Arc::new(realm)
}

/// Picks a certificate by SNI.
#[derive(Debug)]
struct Resolver {
    named: HashMap<String, Arc<CertifiedKey>>,
    first: Arc<CertifiedKey>,
}

impl Resolver {
    /// Of these certificates, with all their names; none when there is no certificate.
    fn new(keys: &[Arc<CertifiedKey>]) -> Option<(Self, Vec<String>)> {
        let mut named = HashMap::new();
        for key in keys {
            for name in names(key) {
                named.entry(name).or_insert_with(|| key.clone());
            }
        }
        let names = named.keys().cloned().collect();
        Some((Self { named, first: keys.first()?.clone() }, names))
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let named = name.and_then(|name| {
            let wildcard = || self.named.get(&format!("*.{}", name.split_once('.')?.1));
            self.named.get(&name).or_else(wildcard)
        });
        Some(named.unwrap_or(&self.first).clone())
    }
}

/// The DNS names of a leaf, lower case. Names that cannot be read are none.
fn names(key: &CertifiedKey) -> Vec<String> {
    let Some(leaf) = key.cert.first() else { return Vec::new() };
    let Ok((_, leaf)) = x509_parser::parse_x509_certificate(leaf) else { return Vec::new() };
    let Ok(Some(san)) = leaf.subject_alternative_name() else { return Vec::new() };
    let dns = san.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    dns.collect()
}
