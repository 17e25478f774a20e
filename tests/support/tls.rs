//! A certificate authority for one test, and TLS configs of both sides.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CipherSuite, ClientConfig, RootCertStore, ServerConfig};

use super::ocsp::Answer;

/// A test CA.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A leaf certificate and its key, as PEM.
pub struct Leaf {
    pub chain: String,
    pub key: String,
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A client that trusts the CA of this PEM file and offers these protocols by ALPN.
pub fn client_of(ca: &str, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "botgate test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    /// The CA certificate, as PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for these names and addresses.
    pub fn issue(&self, names: &[&str]) -> Leaf {
        self.issue_with(names, |_| {})
    }

    /// A certificate that differs from the usual in some way: expired, say.
    pub fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).unwrap();
        params.distinguished_name.push(DnType::CommonName, names[0].clone());
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        Leaf { chain: leaf.pem(), key: key.serialize_pem() }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    /// A client that trusts this CA and offers these protocols by ALPN.
    pub fn client(&self, alpn: &[&[u8]]) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(self.roots()).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }

    /// A client that speaks this TLS version only.
    pub fn client_of(&self, version: &'static rustls::SupportedProtocolVersion) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[version]).unwrap();
        Arc::new(builder.with_root_certificates(self.roots()).with_no_client_auth())
    }

    /// A client of TLS 1.3 that offers these suites, in this order.
    pub fn client_offering(&self, suites: &[CipherSuite]) -> Arc<ClientConfig> {
        let mut provider = CryptoProvider::clone(&provider());
        let known = std::mem::take(&mut provider.cipher_suites);
        let of = |wanted: &CipherSuite| known.iter().find(|suite| suite.suite() == *wanted).copied();
        provider.cipher_suites = suites.iter().filter_map(of).collect();
        let builder = ClientConfig::builder_with_provider(Arc::new(provider));
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
        Arc::new(builder.with_root_certificates(self.roots()).with_no_client_auth())
    }

    /// A client that trusts this CA, offers this protocol by ALPN, and shows this certificate when asked for one.
    pub fn client_showing(&self, leaf: &Leaf, alpn: &[u8]) -> Arc<ClientConfig> {
        self.client_showing_by(leaf, alpn, rustls::ALL_VERSIONS)
    }

    /// The same that speaks these versions only.
    pub fn client_showing_by(
        &self,
        leaf: &Leaf,
        alpn: &[u8],
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(leaf.chain.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
        let mut config = builder.with_root_certificates(self.roots()).with_client_auth_cert(chain, key).unwrap();
        config.alpn_protocols = vec![alpn.to_vec()];
        Arc::new(config)
    }

    /// A list of revoked certificates, as PEM.
    pub fn revoke(&self, leaves: &[&Leaf]) -> String {
        let day = |offset: i64| {
            let time = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
            let day = time.checked_add(jiff::Span::new().days(offset)).unwrap();
            rcgen::date_time_ymd(day.year().into(), day.month() as u8, day.day() as u8)
        };
        let revoked = leaves.iter().map(|leaf| rcgen::RevokedCertParams {
            serial_number: rcgen::SerialNumber::from_slice(&leaf.serial()),
            revocation_time: day(-1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = rcgen::CertificateRevocationListParams {
            this_update: day(-1),
            next_update: day(7),
            crl_number: rcgen::SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// A right answer of this CA about a certificate, changed.
    pub fn ocsp(&self, leaf: &Leaf, change: impl FnOnce(&mut Answer)) -> Vec<u8> {
        let now = jiff::Timestamp::now().as_second();
        let mut answer = Answer::good(&leaf.der(), self.issuer.der(), now);
        change(&mut answer);
        answer.sign(self.issuer.key())
    }

    /// A server that shows this certificate.
    pub fn showing(leaf: &Leaf) -> Arc<ServerConfig> {
        let chain = vec![CertificateDer::from_pem_slice(leaf.chain.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap())
    }

    /// A server with a certificate for these names that offers these protocols; `mutual` asks for a client certificate
    /// of this CA.
    pub fn server(&self, names: &[&str], alpn: &[&[u8]], mutual: bool) -> Arc<ServerConfig> {
        let leaf = self.issue(names);
        let chain = vec![CertificateDer::from_pem_slice(leaf.chain.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let builder = if mutual {
            let roots = Arc::new(self.roots());
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(roots, provider());
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Leaf {
    /// The certificate, as DER.
    pub fn der(&self) -> Vec<u8> {
        CertificateDer::from_pem_slice(self.chain.as_bytes()).unwrap().to_vec()
    }

    /// Its serial number, as in the certificate.
    pub fn serial(&self) -> Vec<u8> {
        let der = self.der();
        x509_parser::parse_x509_certificate(&der).unwrap().1.raw_serial().to_vec()
    }

    /// Writes `NAME.pem` and `NAME.key` into `dir`; each is replaced as a whole, the key first.
    pub fn write(&self, dir: &Path, name: &str) {
        replace(&dir.join(format!("{name}.key")), self.key.as_bytes());
        replace(&dir.join(format!("{name}.pem")), self.chain.as_bytes());
    }
}

/// Writes a file beside its place and renames it: no reader sees half of it.
pub fn replace(path: &Path, content: &[u8]) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, content).unwrap();
    std::fs::rename(&beside, path).unwrap();
}
