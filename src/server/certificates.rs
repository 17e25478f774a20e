//! The certificates of a listener, picked by SNI and swapped by a reload.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;

use crate::config::{CertificateConfig, load_certified_key};

/// The certificates of a listener at one time. Immutable.
#[derive(Debug)]
pub(super) struct CertificateSet {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what follows `*.`.
    wildcard: HashMap<String, Arc<CertifiedKey>>,
    first: Arc<CertifiedKey>,
    /// The names that each bears.
    borne: Vec<(Arc<CertifiedKey>, Arc<[String]>)>,
}

impl CertificateSet {
    /// Loads these files. The first one serves clients that ask for no name, or for one that none bears.
    ///
    /// # Errors
    /// Every file that cannot be used, one line each.
    pub(super) fn load(files: &[CertificateConfig]) -> Result<Self, Vec<String>> {
        let (mut keys, mut errors) = (Vec::new(), Vec::new());
        for file in files {
            match load_certified_key(file) {
                Ok(key) => keys.push(key),
                Err(error) => errors.push(error.to_string()),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Self::new(keys).ok_or_else(|| vec!["a TLS listener needs at least one certificate".to_owned()])
    }

    fn new(keys: Vec<Arc<CertifiedKey>>) -> Option<Self> {
        let first = keys.first()?.clone();
        let mut set = Self { exact: HashMap::new(), wildcard: HashMap::new(), first, borne: Vec::new() };
        for key in keys {
            let names: Arc<[String]> = names(&key).into();
            set.borne.push((key.clone(), names.clone()));
            for name in names.iter() {
                let (map, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut set.wildcard, parent.to_owned()),
                    None => (&mut set.exact, name.clone()),
                };
                map.entry(name).or_insert_with(|| key.clone());
            }
        }
        Some(set)
    }

    /// The names that the certificate for `name` bears.
    fn borne(&self, name: Option<&str>) -> Arc<[String]> {
        let shown = self.pick(name);
        let borne = self.borne.iter().find(|(key, _)| Arc::ptr_eq(key, shown));
        borne.map(|(_, names)| names.clone()).unwrap_or_default()
    }

    /// The certificate for `name` (lower case): one that bears it, else one whose wildcard covers its leftmost label
    /// (RFC 6125, section 6.4.3), else the first.
    fn pick(&self, name: Option<&str>) -> &Arc<CertifiedKey> {
        name.and_then(|name| {
            self.exact.get(name).or_else(|| name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent)))
        })
        .unwrap_or(&self.first)
    }
}

/// The DNS names of a leaf, lower case. Names that cannot be read are none: the certificate still serves as a first.
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

/// The one swap cell of a listener's certificates.
#[derive(Debug)]
pub(super) struct CertificateStore(ArcSwap<CertificateSet>);

impl CertificateStore {
    pub(super) fn new(first: CertificateSet) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(first)))
    }

    /// The names of the certificate that is shown to who asks for `name` (lower case).
    pub(super) fn borne(&self, name: Option<&str>) -> Arc<[String]> {
        self.0.load().borne(name)
    }

    /// From the next handshake on.
    pub(super) fn swap(&self, next: CertificateSet) {
        self.0.store(Arc::new(next));
    }
}

impl ResolvesServerCert for CertificateStore {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        Some(self.0.load().pick(name.as_deref()).clone())
    }
}

/// The TLS settings of a listener, made once: a reload swaps what is in the store, so tickets stay good.
///
/// TLS 1.2 and 1.3 by aws-lc-rs, whose suites are all AEAD with ephemeral keys; h2 and http/1.1 by ALPN.
pub(super) fn server_config(
    store: Arc<CertificateStore>,
    ticketer: Arc<dyn ProducesTickets>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(store);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = ticketer;
    // Tickets carry the sessions: nothing is kept here per client.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

/// The ticket keys of the process, shared by all listeners.
pub(super) fn ticketer() -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
    aws_lc_rs::Ticketer::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::fixture::certificate_files;

    fn set(names: &[&[&str]]) -> CertificateSet {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<_> = names.iter().map(|names| certificate_files(folder.path(), names)).collect();
        CertificateSet::load(&files).unwrap()
    }

    fn picked(set: &CertificateSet, name: Option<&str>) -> Vec<String> {
        names(set.pick(name))
    }

    #[test]
    fn an_exact_name_goes_before_a_wildcard_and_a_strange_one_gets_the_first() {
        let set = set(&[&["first.example"], &["*.contoso.com"], &["bot.contoso.com"]]);
        assert_eq!(picked(&set, Some("bot.contoso.com")), ["bot.contoso.com"]);
        assert_eq!(picked(&set, Some("qna.contoso.com")), ["*.contoso.com"]);
        assert_eq!(picked(&set, Some("a.b.contoso.com")), ["first.example"]);
        assert_eq!(picked(&set, Some("contoso.com")), ["first.example"]);
        assert_eq!(picked(&set, None), ["first.example"]);
        assert_eq!(*set.borne(Some("qna.contoso.com")), ["*.contoso.com"]);
    }

    #[test]
    fn a_key_of_another_certificate_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let one = certificate_files(folder.path(), &["one.example"]);
        let two = certificate_files(folder.path(), &["two.example"]);
        let mixed = CertificateConfig { chain: one.chain, key: two.key };
        let errors = CertificateSet::load(&[mixed]).unwrap_err();
        assert!(errors[0].contains("does not belong"), "{errors:?}");
    }

    #[test]
    fn every_bad_file_is_reported() {
        let gone = |name: &str| CertificateConfig { chain: name.into(), key: "key.pem".into() };
        let errors = CertificateSet::load(&[gone("no-a.pem"), gone("no-b.pem")]).unwrap_err();
        assert_eq!(errors.len(), 2);
        assert!(errors[1].contains("no-b.pem"), "{errors:?}");
    }
}
