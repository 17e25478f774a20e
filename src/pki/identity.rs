//! Who a client is, by its certificate. Only what a verifier has accepted may be read here.

use std::fmt::Write as _;
use std::net::IpAddr;

use x509_parser::extensions::GeneralName;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// Who a client is, by its certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The whole subject, as RFC 4514 writes it: last part first, special characters escaped (`CN=ops,O=Contoso\\, Ltd`).
    pub subject: String,
    /// The (first) common name of the subject.
    pub common_name: Option<String>,
    /// DNS names (SAN), lower case.
    pub dns: Vec<String>,
    /// URIs (SAN), such as SPIFFE ids.
    pub uris: Vec<String>,
    /// E-mail addresses (SAN).
    pub emails: Vec<String>,
    /// Addresses (SAN).
    pub addresses: Vec<IpAddr>,
    /// The serial number, in lower-case hexadecimal digits.
    pub serial: String,
    /// Until when it is valid, in seconds since 1970 (UTC).
    pub not_after: i64,
}

impl Identity {
    /// Reads the leaf that a client has shown; none when it is no certificate, or says something that is no text.
    pub fn read(leaf: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
        let mut identity = Self {
            subject: subject(certificate.subject()),
            common_name: certificate.subject().iter_common_name().find_map(|name| Some(name.as_str().ok()?.to_owned())),
            not_after: certificate.validity().not_after.timestamp(),
            ..Self::default()
        };
        for byte in certificate.raw_serial() {
            write!(identity.serial, "{byte:02x}").ok()?;
        }
        let san = certificate.subject_alternative_name().ok()?;
        for name in san.iter().flat_map(|san| &san.value.general_names) {
            match name {
                GeneralName::DNSName(name) => identity.dns.push(name.to_ascii_lowercase()),
                GeneralName::URI(uri) => identity.uris.push((*uri).to_owned()),
                GeneralName::RFC822Name(email) => identity.emails.push((*email).to_owned()),
                GeneralName::IPAddress(bytes) => identity.addresses.extend(address(bytes)),
                _ => {}
            }
        }
        Some(identity)
    }

    /// What to call the client in a log: its common name, else its first other name, else its serial number.
    pub fn name(&self) -> &str {
        let names = [self.common_name.as_ref(), self.uris.first(), self.dns.first(), self.emails.first()];
        names.into_iter().flatten().find(|name| !name.is_empty()).unwrap_or(&self.serial)
    }
}

/// RFC 4514, section 2. A value cannot pass itself off as two: what separates parts is escaped in it.
fn subject(name: &X509Name<'_>) -> String {
    let parts: Vec<_> = name.iter_rdn().collect();
    let mut text = String::new();
    for part in parts.into_iter().rev() {
        for (at, attribute) in part.iter().enumerate() {
            match (at, text.is_empty()) {
                (0, true) => {}
                (0, false) => text.push(','),
                _ => text.push('+'),
            }
            match oid2abbrev(attribute.attr_type(), oid_registry()) {
                Ok(abbreviation) => text.push_str(abbreviation),
                Err(_) => text.push_str(&attribute.attr_type().to_id_string()),
            }
            text.push('=');
            value(attribute, &mut text);
        }
    }
    text
}

fn value(attribute: &AttributeTypeAndValue<'_>, text: &mut String) {
    let Ok(value) = attribute.as_str() else {
        text.push('#');
        text.extend(attribute.as_slice().iter().map(|byte| format!("{byte:02x}")));
        return;
    };
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' => text.extend(['\\', c]),
            '#' if at == 0 => text.push_str("\\#"),
            ' ' if at == 0 || at == last => text.push_str("\\ "),
            c if c.is_control() => {
                let mut bytes = [0; 4];
                text.extend(c.encode_utf8(&mut bytes).bytes().map(|byte| format!("\\{byte:02x}")));
            }
            c => text.push(c),
        }
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{DnType, SanType, SerialNumber};

    use super::*;

    #[test]
    fn subject_and_names_are_read() {
        let mut params = rcgen::CertificateParams::new(vec!["Ops.Contoso.com".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Contoso, Ltd");
        params.distinguished_name.push(DnType::CommonName, "ops");
        params.serial_number = Some(SerialNumber::from_slice(&[0x0a, 0xff]));
        params.subject_alt_names.extend([
            SanType::URI("spiffe://contoso/ops".try_into().unwrap()),
            SanType::Rfc822Name("ops@contoso.com".try_into().unwrap()),
            SanType::IpAddress("192.0.2.7".parse().unwrap()),
        ]);
        let made = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let identity = Identity::read(made.der()).unwrap();
        assert_eq!(identity.subject, r"CN=ops,O=Contoso\, Ltd");
        assert_eq!(identity.name(), "ops");
        assert_eq!((&identity.dns[0][..], &identity.uris[0][..]), ("ops.contoso.com", "spiffe://contoso/ops"));
        assert_eq!((&identity.emails[0][..], identity.addresses[0]), ("ops@contoso.com", "192.0.2.7".parse().unwrap()));
        assert_eq!(identity.serial, "0aff");
    }

    #[test]
    fn a_value_cannot_pass_itself_off_as_another_part_of_the_subject() {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, " x,CN=admin+O=a\u{1}\n#");
        let made = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        assert_eq!(Identity::read(made.der()).unwrap().subject, r"CN=\ x\,CN\=admin\+O\=a\01\0a#");
    }

    #[test]
    fn a_client_without_a_common_name_is_called_by_another() {
        let mut identity = Identity { serial: "01".to_owned(), ..Identity::default() };
        assert_eq!(identity.name(), "01");
        identity.common_name = Some(String::new());
        identity.dns.push("a.test".to_owned());
        assert_eq!(identity.name(), "a.test");
        assert_eq!(Identity::read(b"none"), None);
    }
}
