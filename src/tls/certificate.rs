//! One certificate with its key and, while it is good, its stapled OCSP response.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::UnixTime;
use rustls::sign::CertifiedKey;

use crate::config::{CertificateConfig, CertificateError, load_certified_key};
use crate::pki::Facts;
use crate::pki::ocsp::{self, Fault, Span};

/// A certificate that is shown to clients.
#[derive(Debug)]
pub struct Certificate {
    /// Where it came from.
    pub files: CertificateConfig,
    /// What it says of itself.
    pub facts: Facts,
    /// SHA-256 of the leaf: the same for two that were read from different files.
    pub fingerprint: [u8; 32],
    bare: Arc<CertifiedKey>,
    stapled: ArcSwapOption<Stapled>,
}

#[derive(Debug)]
struct Stapled {
    key: Arc<CertifiedKey>,
    span: Span,
}

impl Certificate {
    /// Reads it, without its `ocsp` file.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub(super) fn load(files: &CertificateConfig) -> Result<Self, CertificateError> {
        let bare = load_certified_key(files)?;
        let leaf = bare.cert.first().map_or(&[][..], |leaf| leaf.as_ref());
        let facts = Facts::read(leaf).ok_or_else(|| CertificateError::NoCertificate { path: files.chain.clone() })?;
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, leaf).as_ref());
        Ok(Self { files: files.clone(), facts, fingerprint, bare, stapled: ArcSwapOption::empty() })
    }

    /// The certificate as clients are shown it at this time: with its response while that is fresh.
    pub(super) fn shown(&self, now: UnixTime) -> Arc<CertifiedKey> {
        match &*self.stapled.load() {
            Some(stapled) if stapled.span.covers(now) => stapled.key.clone(),
            _ => self.bare.clone(),
        }
    }

    /// Whether its key can sign for a client that knows these schemes.
    pub(super) fn suits(&self, schemes: &[rustls::SignatureScheme]) -> bool {
        self.bare.key.choose_scheme(schemes).is_some()
    }

    /// What a responder is asked (DER); none when the chain lacks the issuer.
    pub fn request(&self) -> Option<Vec<u8>> {
        ocsp::request(self.bare.cert.first()?, self.bare.cert.get(1)?)
    }

    /// Shows this response (DER) from now on, unless it is not as good as it must be, or the one that is shown holds longer.
    /// What says that the certificate was revoked ends the showing of any other.
    ///
    /// # Errors
    /// [`Fault`]: why it is not shown.
    pub fn staple(&self, response: &[u8], now: UnixTime) -> Result<Span, Fault> {
        let (Some(leaf), Some(issuer)) = (self.bare.cert.first(), self.bare.cert.get(1)) else {
            return Err(Fault::Chain);
        };
        let span = match ocsp::judge(response, leaf, issuer, now) {
            Ok(span) => span,
            Err(fault) => {
                if fault == Fault::Revoked {
                    self.stapled.store(None);
                }
                return Err(fault);
            }
        };
        if self.stapled(now).is_none_or(|shown| shown.until <= span.until) {
            let key = CertifiedKey { ocsp: Some(response.to_vec()), ..CertifiedKey::clone(&self.bare) };
            self.stapled.store(Some(Arc::new(Stapled { key: Arc::new(key), span })));
        }
        Ok(span)
    }

    /// The span of the response that is shown at this time.
    pub fn stapled(&self, now: UnixTime) -> Option<Span> {
        self.stapled.load().as_ref().map(|stapled| stapled.span).filter(|span| span.covers(now))
    }

    /// The response that is shown at this time, DER.
    pub(super) fn response(&self, now: UnixTime) -> Option<Vec<u8>> {
        self.shown(now).ocsp.clone()
    }
}
