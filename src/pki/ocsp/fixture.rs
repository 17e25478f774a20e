//! OCSP answers made up for tests: right ones, and wrong ones of every kind. The integration tests include this file too.

use aws_lc_rs::digest;
use rcgen::{KeyPair, SigningKey};
use x509_parser::prelude::{FromDer, X509Certificate};

/// An answer about one certificate. [`Answer::good`] is right; each field can be made wrong.
#[derive(Clone)]
pub struct Answer {
    /// DER.
    pub leaf: Vec<u8>,
    /// DER.
    pub issuer: Vec<u8>,
    /// 0 good, 1 revoked, 2 unknown.
    pub status: u8,
    /// In seconds since 1970.
    pub this_update: i64,
    /// Likewise.
    pub next_update: Option<i64>,
    /// Certificates that come along, DER.
    pub certificates: Vec<Vec<u8>>,
    /// Whether the certificate is named by SHA-256 instead of SHA-1.
    pub sha256: bool,
}

impl Answer {
    /// Good from an hour ago on, for a day.
    pub fn good(leaf: &[u8], issuer: &[u8], now: i64) -> Self {
        Self {
            leaf: leaf.to_vec(),
            issuer: issuer.to_vec(),
            status: 0,
            this_update: now - 3600,
            next_update: Some(now + 86_400),
            certificates: Vec::new(),
            sha256: false,
        }
    }

    /// As DER, signed by this key (ECDSA on P-256).
    pub fn sign(&self, by: &KeyPair) -> Vec<u8> {
        let (_, leaf) = X509Certificate::from_der(&self.leaf).unwrap();
        let (_, issuer) = X509Certificate::from_der(&self.issuer).unwrap();
        let (hash, oid) = if self.sha256 {
            (&digest::SHA256, &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01][..])
        } else {
            (&digest::SHA1_FOR_LEGACY_USE_ONLY, &[0x2b, 0x0e, 0x03, 0x02, 0x1a][..])
        };
        let hashed = |bytes: &[u8]| element(0x04, &[digest::digest(hash, bytes).as_ref()]);
        let id = element(
            0x30,
            &[
                &element(0x30, &[&element(0x06, &[oid]), &[5, 0]]),
                &hashed(issuer.subject().as_raw()),
                &hashed(&issuer.public_key().subject_public_key.data),
                &element(0x02, &[leaf.raw_serial()]),
            ],
        );
        let status = match self.status {
            1 => element(0xa1, &[&time(self.this_update)]),
            status => vec![0x80 | status, 0],
        };
        let mut single = vec![id, status, time(self.this_update)];
        single.extend(self.next_update.map(|next| element(0xa0, &[&time(next)])));
        let single: Vec<&[u8]> = single.iter().map(Vec::as_slice).collect();
        let key = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, b"any key");
        let data = element(
            0x30,
            &[
                &element(0xa2, &[&element(0x04, &[key.as_ref()])]),
                &time(self.this_update),
                &element(0x30, &[&element(0x30, &single)]),
            ],
        );
        let ecdsa = element(0x30, &[&element(0x06, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]])]);
        let signature = element(0x03, &[&[0], &by.sign(&data).unwrap()]);
        let mut basic = vec![data, ecdsa, signature];
        if !self.certificates.is_empty() {
            let all: Vec<&[u8]> = self.certificates.iter().map(Vec::as_slice).collect();
            basic.push(element(0xa0, &[&element(0x30, &all)]));
        }
        let basic: Vec<&[u8]> = basic.iter().map(Vec::as_slice).collect();
        let kind = element(0x06, &[&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01]]);
        let bytes = element(0x30, &[&kind, &element(0x04, &[&element(0x30, &basic)])]);
        element(0x30, &[&[0x0a, 1, 0], &element(0xa0, &[&bytes])])
    }
}

/// The content of the extension that says where a certificate's issuer answers (authority information access).
pub fn access(url: &str) -> Vec<u8> {
    let ocsp = element(0x06, &[&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01]]);
    element(0x30, &[&element(0x30, &[&ocsp, &element(0x86, &[url.as_bytes()])])])
}

fn time(seconds: i64) -> Vec<u8> {
    let text = jiff::Timestamp::from_second(seconds).unwrap().strftime("%Y%m%d%H%M%SZ").to_string();
    element(0x18, &[text.as_bytes()])
}

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).unwrap();
    let mut all = match length {
        0..128 => vec![tag, length as u8],
        128..256 => vec![tag, 0x81, length as u8],
        _ => [&[tag, 0x82][..], &length.to_be_bytes()].concat(),
    };
    all.extend(content);
    all
}
