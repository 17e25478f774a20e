//! The question, as DER (RFC 6960, section 4.1; RFC 5019, section 2.1).

use aws_lc_rs::digest::{self, Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use x509_parser::asn1_rs::{Oid, oid};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::der::{OCTETS, SEQUENCE, write};

pub(super) const OID_SHA1: Oid<'static> = oid!(1.3.14.3.2.26);
pub(super) const OID_SHA256: Oid<'static> = oid!(2.16.840.1.101.3.4.2.1);

/// What names a certificate in OCSP: its issuer, by hashes of name and key, and its serial number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Id {
    pub(super) name: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) serial: Vec<u8>,
}

impl Id {
    /// Of this leaf; none when its issuer is another one.
    pub(super) fn new(
        leaf: &X509Certificate<'_>,
        issuer: &X509Certificate<'_>,
        by: &'static Algorithm,
    ) -> Option<Self> {
        if leaf.issuer().as_raw() != issuer.subject().as_raw() {
            return None;
        }
        let hash = |bytes: &[u8]| digest::digest(by, bytes).as_ref().to_vec();
        Some(Self {
            name: hash(issuer.subject().as_raw()),
            key: hash(&issuer.public_key().subject_public_key.data),
            serial: leaf.raw_serial().to_vec(),
        })
    }
}

/// The hash that an OCSP answer may name a certificate by.
pub(super) fn algorithm(oid: &Oid<'_>) -> Option<&'static Algorithm> {
    if *oid == OID_SHA1 {
        return Some(&SHA1_FOR_LEGACY_USE_ONLY);
    }
    (*oid == OID_SHA256).then_some(&SHA256)
}

/// Asks about this leaf (both DER). By SHA-1, which every responder knows and which protects nothing here: it is a name.
/// Without a nonce: an answer for clients is one that a responder may give to all.
///
/// None when one of them is no certificate, or the second did not issue the first.
pub fn request(leaf: &[u8], issuer: &[u8]) -> Option<Vec<u8>> {
    let (leaf, issuer) = (X509Certificate::from_der(leaf).ok()?.1, X509Certificate::from_der(issuer).ok()?.1);
    let id = Id::new(&leaf, &issuer, &SHA1_FOR_LEGACY_USE_ONLY)?;
    Some(write(SEQUENCE, &[&write(SEQUENCE, &[&write(SEQUENCE, &[&write(SEQUENCE, &[&certificate_id(&id)])])])]))
}

fn certificate_id(id: &Id) -> Vec<u8> {
    let sha1 = write(SEQUENCE, &[&write(0x06, &[OID_SHA1.as_bytes()]), &[0x05, 0x00]]);
    write(SEQUENCE, &[&sha1, &write(OCTETS, &[&id.name]), &write(OCTETS, &[&id.key]), &write(0x02, &[&id.serial])])
}
