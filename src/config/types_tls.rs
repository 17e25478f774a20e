//! What a listener does beyond showing a certificate.

use std::path::PathBuf;
use std::time::Duration;

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
}
