//! The certificates of a listener, picked by SNI and swapped by a reload.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::SignatureScheme;
use rustls::pki_types::UnixTime;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::asked;
use super::certificate::Certificate;
use crate::config::CertificateConfig;

/// The certificates of a listener at one time; what changes is only what is stapled to them.
#[derive(Debug)]
pub struct CertificateSet {
    /// In order of the config: at least one.
    pub(super) all: Vec<Arc<Certificate>>,
    exact: HashMap<String, Vec<Arc<Certificate>>>,
    /// By what follows `*.`.
    wildcard: HashMap<String, Vec<Arc<Certificate>>>,
}

impl CertificateSet {
    /// Loads these files. The first one serves clients that ask for no name, or for one that none bears. A stapled response that
    /// cannot be used is left out: see [`super::CertificateBook`].
    ///
    /// # Errors
    /// Every file that cannot be used, one line each.
    pub fn load(files: &[CertificateConfig]) -> Result<Self, Vec<String>> {
        let (mut all, mut errors) = (Vec::new(), Vec::new());
        for files in files {
            match Certificate::load(files) {
                Ok(certificate) => all.push(Arc::new(certificate)),
                Err(error) => errors.push(error.to_string()),
            }
        }
        if errors.is_empty() && all.is_empty() {
            errors.push("a TLS listener needs at least one certificate".to_owned());
        }
        if errors.is_empty() { Ok(Self::new(all)) } else { Err(errors) }
    }

    fn new(all: Vec<Arc<Certificate>>) -> Self {
        let mut set = Self { all, exact: HashMap::new(), wildcard: HashMap::new() };
        for certificate in &set.all {
            for name in certificate.facts.names.iter() {
                let (map, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut set.wildcard, parent),
                    None => (&mut set.exact, name.as_str()),
                };
                map.entry(name.to_owned()).or_default().push(certificate.clone());
            }
        }
        set
    }

    /// Whether a certificate bears `name` (lower case), by a wildcard of its leftmost label if need be.
    pub fn bears(&self, name: &str) -> bool {
        let wildcard = || name.split_once('.').is_some_and(|(_, parent)| self.wildcard.contains_key(parent));
        self.exact.contains_key(name) || wildcard()
    }

    /// The one that serves clients that ask for no name.
    #[cfg(test)]
    pub(crate) fn first(&self) -> &Arc<Certificate> {
        &self.all[0]
    }

    /// The names that the certificate for `name` (lower case) bears. Where the client decides between several by what it can
    /// verify: those that all of them bear.
    fn borne(&self, name: Option<&str>) -> Arc<[String]> {
        let named = self.named(name);
        match named.unwrap_or_else(|| self.all.get(..1).unwrap_or_default()) {
            [] => Arc::default(),
            [one] => one.facts.names.clone(),
            [first, others @ ..] => {
                let all = |name: &&String| others.iter().all(|other| other.facts.names.contains(name));
                first.facts.names.iter().filter(all).cloned().collect()
            }
        }
    }

    /// The certificates that bear `name`, best first.
    fn named(&self, name: Option<&str>) -> Option<&[Arc<Certificate>]> {
        let name = name?;
        let wildcard = || self.wildcard.get(name.split_once('.')?.1);
        self.exact.get(name).or_else(wildcard).map(Vec::as_slice)
    }

    /// The certificate for `name` (lower case): one that bears it, else one whose wildcard covers its leftmost label
    /// (RFC 6125, section 6.4.3), else the first. Of several, the first whose key the client can verify: an ECDSA certificate
    /// may stand before an RSA one for clients of old.
    fn pick(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<&Arc<Certificate>> {
        let candidates = self.named(name).unwrap_or(&self.all);
        candidates.iter().find(|certificate| certificate.suits(schemes)).or_else(|| candidates.first())
    }
}

/// The one swap cell of a listener's certificates.
#[derive(Debug)]
pub struct CertificateStore(ArcSwap<CertificateSet>);

impl CertificateStore {
    /// A cell that holds these.
    pub fn new(first: Arc<CertificateSet>) -> Arc<Self> {
        Arc::new(Self(ArcSwap::new(first)))
    }

    /// The names of the certificate that is shown to who asks for `name` (lower case).
    pub fn borne(&self, name: Option<&str>) -> Arc<[String]> {
        self.0.load().borne(name)
    }

    /// Shows these from the next handshake on.
    pub fn swap(&self, next: Arc<CertificateSet>) {
        self.0.store(next);
    }
}

impl ResolvesServerCert for CertificateStore {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        asked::note(name.as_deref());
        let set = self.0.load();
        Some(set.pick(name.as_deref(), hello.signature_schemes())?.shown(UnixTime::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::fixture::certificate_files;

    const ANY: [SignatureScheme; 1] = [SignatureScheme::ECDSA_NISTP256_SHA256];

    fn set(names: &[&[&str]]) -> CertificateSet {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<_> = names.iter().map(|names| certificate_files(folder.path(), names)).collect();
        CertificateSet::load(&files).unwrap()
    }

    fn picked<'a>(set: &'a CertificateSet, name: Option<&str>) -> &'a [String] {
        &set.pick(name, &ANY).unwrap().facts.names
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
        assert_eq!(*set.borne(None), ["first.example"]);
    }

    #[test]
    fn a_key_of_another_certificate_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let one = certificate_files(folder.path(), &["one.example"]);
        let two = certificate_files(folder.path(), &["two.example"]);
        let mixed = CertificateConfig { key: two.key, ..one };
        let errors = CertificateSet::load(&[mixed]).unwrap_err();
        assert!(errors[0].contains("does not belong"), "{errors:?}");
    }

    #[test]
    fn every_bad_file_is_reported() {
        let gone = |name: &str| CertificateConfig { chain: name.into(), key: "key.pem".into(), ocsp: None };
        let errors = CertificateSet::load(&[gone("no-a.pem"), gone("no-b.pem")]).unwrap_err();
        assert_eq!(errors.len(), 2);
        assert!(errors[1].contains("no-b.pem"), "{errors:?}");
    }

    #[test]
    fn of_two_certificates_for_a_name_a_client_gets_one_that_it_can_verify() {
        let folder = tempfile::tempdir().unwrap();
        let ecdsa = certificate_files(folder.path(), &["bot.test"]);
        let ed25519 = crate::tls::fixture::certificate_by(folder.path(), &["bot.test"], &rcgen::PKCS_ED25519);
        let set = CertificateSet::load(&[ecdsa.clone(), ed25519.clone()]).unwrap();
        let shown = |schemes: &[SignatureScheme]| set.pick(Some("bot.test"), schemes).unwrap().files.chain.clone();
        assert_eq!(shown(&[SignatureScheme::ED25519]), ed25519.chain);
        assert_eq!(shown(&[SignatureScheme::ED25519, ANY[0]]), ecdsa.chain);
        assert_eq!(shown(&[]), ecdsa.chain, "who can verify none is refused by the handshake");
    }
}
