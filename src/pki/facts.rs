//! What a server's certificate says of itself.

use std::sync::Arc;

use rustls::pki_types::UnixTime;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{OID_PKIX_ACCESS_DESCRIPTOR_OCSP, Oid, asn1_rs::oid};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Warned of at most this long before the end, …
const LONGEST_NOTICE: i64 = 14 * 86_400;
/// … and at most this share of a certificate's life: one that lives for six days is renewed in its last two.
const NOTICE_SHARE: i64 = 3;
/// The TLS features that a certificate demands (RFC 7633, section 4.1).
const TLS_FEATURE: Oid<'static> = oid!(1.3.6.1.5.5.7.1.24);
/// Of these, that of a stapled OCSP response: `status_request`, as a DER INTEGER.
const STATUS_REQUEST: [u8; 3] = [0x02, 0x01, 0x05];

/// What a server's certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its DNS names, lower case; `*.` in front of a wildcard's.
    pub names: Arc<[String]>,
    /// From when it is valid, in seconds since 1970 (UTC).
    pub not_before: i64,
    /// Until when, likewise.
    pub not_after: i64,
    /// Where its issuer answers whether it was revoked (RFC 5280, section 4.2.2.1): an `http` URL.
    pub responder: Option<String>,
    /// Whether clients refuse it without a stapled OCSP response (RFC 7633).
    pub must_staple: bool,
}

/// Where a certificate stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Its time has not begun.
    Early,
    /// It is valid, and not for its last time.
    Valid,
    /// It ends soon: within 14 days, or within the last third of its life where that is shorter.
    Ending,
    /// It is over.
    Expired,
}

impl Facts {
    /// Reads a DER certificate; none when it is none.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let san = certificate.subject_alternative_name().ok().flatten();
        let names = san.iter().flat_map(|san| &san.value.general_names).filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        });
        let feature = certificate.iter_extensions().find(|extension| extension.oid == TLS_FEATURE);
        Some(Self {
            names: names.collect(),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            responder: responder(&certificate),
            must_staple: feature.is_some_and(|feature| feature.value.windows(3).any(|value| value == STATUS_REQUEST)),
        })
    }

    /// Where it stands at this time.
    pub fn phase(&self, now: UnixTime) -> Phase {
        let now = seconds(now);
        let notice = (self.not_after.saturating_sub(self.not_before) / NOTICE_SHARE).min(LONGEST_NOTICE);
        match self.not_after.saturating_sub(now) {
            left if left < 0 => Phase::Expired,
            _ if now < self.not_before => Phase::Early,
            left if left <= notice => Phase::Ending,
            _ => Phase::Valid,
        }
    }
}

/// A time as certificates count it.
pub(super) fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

fn responder(certificate: &X509Certificate<'_>) -> Option<String> {
    let access = certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => Some(access),
        _ => None,
    })?;
    access.iter().filter(|access| access.access_method == OID_PKIX_ACCESS_DESCRIPTOR_OCSP).find_map(|access| {
        match access.access_location {
            // Responses are signed, so they come unencrypted: asking by https would ask whether that certificate is good.
            GeneralName::URI(uri) if uri.starts_with("http://") => Some(uri.to_owned()),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn lived(days: i64) -> Facts {
        Facts { names: Arc::default(), not_before: 0, not_after: days * 86_400, responder: None, must_staple: false }
    }

    fn at(days: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(days * 86_400))
    }

    #[test]
    fn notice_is_given_for_two_weeks_or_a_third_of_a_short_life() {
        assert_eq!([0, 75, 76, 90, 91].map(|day| lived(90).phase(at(day))), {
            use Phase::{Ending, Expired, Valid};
            [Valid, Valid, Ending, Ending, Expired]
        });
        assert_eq!((lived(6).phase(at(3)), lived(6).phase(at(4))), (Phase::Valid, Phase::Ending));
        let later = Facts { not_before: 86_400, ..lived(90) };
        assert_eq!(later.phase(at(0)), Phase::Early);
    }

    #[test]
    fn names_responder_and_must_staple_are_read() {
        let mut params =
            rcgen::CertificateParams::new(vec!["Bot.Contoso.com".to_owned(), "*.contoso.com".to_owned()]).unwrap();
        let feature = [0x30, 0x03, 0x02, 0x01, 0x05].to_vec();
        let access = super::super::ocsp::fixture::access("http://ocsp.test/x");
        params.custom_extensions.extend([
            rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 24], feature),
            rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access),
        ]);
        let made = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let facts = Facts::read(made.der()).unwrap();
        assert_eq!(*facts.names, ["bot.contoso.com", "*.contoso.com"]);
        assert_eq!(facts.responder.as_deref(), Some("http://ocsp.test/x"));
        assert!(facts.must_staple);
        assert_eq!(Facts::read(b"no certificate"), None);
    }
}
