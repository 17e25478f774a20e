//! What a listener does beyond showing a certificate.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::address;
use super::types_backend::{BackendConfig, BackendUrl};

/// Whose client certificates are accepted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientAuthConfig {
    /// The CA certificates that clients' certificates must lead to (PEM).
    pub ca: PathBuf,
    /// Certificate revocation lists (PEM); empty: nothing is revoked.
    pub crls: Vec<PathBuf>,
    /// Whether a client that shows no certificate is turned away by the handshake. One that shows a bad certificate always is.
    pub required: bool,
}

/// In which order suites are taken, of those that a client offers. All of them are good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CipherOrder {
    /// AES-128 first, which costs least with its SHA-256; ChaCha20 for who puts that first, having no AES in hardware.
    #[default]
    Fast,
    /// Keys of 256 bits first: AES-256, or ChaCha20 for who puts that first.
    Strong,
    /// As the client would have it.
    Client,
}

/// Where an issuer answers whether a certificate was revoked (OCSP).
#[derive(Clone, PartialEq)]
pub struct ResponderConfig {
    /// Where it is, without the path.
    pub service: Arc<BackendConfig>,
    /// Path and query.
    pub path: String,
}

impl ResponderConfig {
    /// The responder at an `http` URL that a certificate names.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn at(url: &str) -> Result<Self, String> {
        let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
        let good = address::backend_url(path).ok().filter(|found| !found.tls);
        let found =
            good.ok_or_else(|| format!("the certificate names an OCSP responder that cannot be asked: {url:?}"))?;
        // As written: `backend_url` takes a slash off its end.
        let path = path.parse().map_or_else(|_| "/".to_owned(), |uri: http::Uri| uri.path().to_owned());
        let path = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
        let found = BackendUrl { base_path: String::new(), ..found };
        Ok(Self { service: Arc::new(BackendConfig::service(found.host.as_str().into(), found, None)), path })
    }
}

impl fmt::Display for ResponderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.service.url, self.path)
    }
}

impl fmt::Debug for ResponderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// `Strict-Transport-Security` (RFC 6797).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HstsConfig {
    /// For how long a browser comes by https only.
    pub max_age: Duration,
    /// To all names below as well.
    pub subdomains: bool,
    /// Whether the name may be built into browsers.
    pub preload: bool,
}

impl HstsConfig {
    /// The value of the header.
    pub fn value(&self) -> String {
        let subdomains = if self.subdomains { "; includeSubDomains" } else { "" };
        let preload = if self.preload { "; preload" } else { "" };
        format!("max-age={}{subdomains}{preload}", self.max_age.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_written_as_browsers_read_it() {
        let mut hsts = HstsConfig { max_age: Duration::from_secs(86_400), subdomains: false, preload: false };
        assert_eq!(hsts.value(), "max-age=86400");
        (hsts.subdomains, hsts.preload) = (true, true);
        assert_eq!(hsts.value(), "max-age=86400; includeSubDomains; preload");
    }

    #[test]
    fn a_responder_is_asked_at_the_path_that_its_certificate_names() {
        for url in ["http://ocsp.test", "http://ocsp.test/", "http://ocsp.test:8080/a/b", "http://ocsp.test/a?x=1"] {
            let named = ResponderConfig::at(url).unwrap().to_string();
            assert_eq!(named.trim_end_matches('/'), url.trim_end_matches('/'));
        }
        for url in ["https://ocsp.test/", "ldap://x", "http://", "ocsp.test"] {
            assert!(ResponderConfig::at(url).is_err(), "{url}");
        }
    }
}
