//! Whether an answer may be shown to clients.

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::UnixTime;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::request::{Id, algorithm};
use super::response::{Basic, Empty, Single, Status, read};
use crate::pki::facts::seconds;

/// How far a responder's clock may be ahead.
const SKEW: i64 = 5 * 60;

/// From when until when an answer may be shown, in seconds since 1970 (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// `thisUpdate`: from when on it is true.
    pub from: i64,
    /// `nextUpdate`: from when on a newer one is to be had. Exclusive.
    pub until: i64,
}

impl Span {
    /// Whether it may be shown at this time.
    pub fn covers(self, now: UnixTime) -> bool {
        let now = seconds(now);
        self.from <= now.saturating_add(SKEW) && now < self.until
    }
}

/// Why an answer must not be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The certificate in question, or the one after it in the chain, cannot be used.
    #[error("the chain does not hold the leaf and, after it, the certificate of its issuer")]
    Chain,
    /// No DER of this form.
    #[error("it is no OCSP response")]
    Malformed,
    /// The responder does not answer.
    #[error("the responder says {0}")]
    Refused(&'static str),
    /// It is about other certificates.
    #[error("it is about another certificate")]
    Another,
    /// The signature is not that of the issuer, nor of whom the issuer has appointed.
    #[error("it is not signed by the certificate's issuer, nor by a responder that the issuer has appointed")]
    Unsigned,
    /// The certificate was revoked.
    #[error("the certificate is REVOKED")]
    Revoked,
    /// The responder does not know the certificate.
    #[error("the responder does not know the certificate")]
    Unknown,
    /// It has no end, so nobody can tell whether it is fresh.
    #[error("it does not say until when it holds (nextUpdate)")]
    Endless,
    /// Of the future.
    #[error("it does not hold yet: check this machine's clock")]
    Early,
    /// Of the past.
    #[error("it is out of date")]
    Stale,
}

/// Whether this answer (DER) may be shown beside this leaf, which `issuer` has issued (both DER), at this time: it is about
/// this certificate, signed by its issuer or by whom the issuer has appointed (RFC 6960, section 4.2.2.2), says that it is
/// good, and is fresh.
///
/// # Errors
/// [`Fault`]: the first thing that speaks against it.
pub fn judge(response: &[u8], leaf: &[u8], issuer: &[u8], now: UnixTime) -> Result<Span, Fault> {
    let certificate = |der| X509Certificate::from_der(der).map_err(|_| Fault::Chain);
    let ((_, leaf), (_, issuer)) = (certificate(leaf)?, certificate(issuer)?);
    let basic = read(response).map_err(|empty| match empty {
        Empty::Malformed | Empty::OtherType => Fault::Malformed,
        Empty::Status(status) => Fault::Refused(refusal(status)),
    })?;
    if leaf.issuer().as_raw() != issuer.subject().as_raw() {
        return Err(Fault::Chain);
    }
    let single = basic.singles.iter().find(|single| is_about(single, &leaf, &issuer)).ok_or(Fault::Another)?;
    if !is_signed(&basic, &issuer, now) {
        return Err(Fault::Unsigned);
    }
    match single.status {
        Status::Good => {}
        Status::Revoked => return Err(Fault::Revoked),
        Status::Unknown => return Err(Fault::Unknown),
    }
    let span = Span { from: single.this_update, until: single.next_update.ok_or(Fault::Endless)? };
    match span.covers(now) {
        true => Ok(span),
        false if seconds(now) < span.until => Err(Fault::Early),
        false => Err(Fault::Stale),
    }
}

/// RFC 6960, section 2.3.
const fn refusal(status: u8) -> &'static str {
    match status {
        1 => "that the request is malformed",
        2 => "that it has an internal error",
        3 => "to try later",
        5 => "that the request must be signed",
        6 => "that it answers only whom it knows (unauthorized)",
        _ => "something that RFC 6960 does not know",
    }
}

fn is_about(single: &Single<'_>, leaf: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    let said = Id { name: single.name.to_vec(), key: single.key.to_vec(), serial: single.serial.to_vec() };
    algorithm(&single.hash).and_then(|by| Id::new(leaf, issuer, by)).is_some_and(|id| id == said)
}

fn is_signed(basic: &Basic<'_>, issuer: &X509Certificate<'_>, now: UnixTime) -> bool {
    let signed_by = |by: &X509Certificate<'_>| verified(by, basic.algorithm, basic.signed, basic.signature);
    let appointed = || {
        let came = basic.certificates.iter().filter_map(|der| X509Certificate::from_der(der).ok());
        came.map(|(_, certificate)| certificate).any(|it| is_appointed(&it, issuer, now) && signed_by(&it))
    };
    signed_by(issuer) || appointed()
}

/// Whether the issuer itself has issued this one, for signing OCSP answers, and it is valid now.
fn is_appointed(responder: &X509Certificate<'_>, issuer: &X509Certificate<'_>, now: UnixTime) -> bool {
    let now = seconds(now);
    let validity = responder.validity();
    let for_it = |usage: Option<
        x509_parser::certificate::BasicExtension<&x509_parser::extensions::ExtendedKeyUsage<'_>>,
    >| { usage.is_some_and(|usage| usage.value.ocsp_signing) };
    responder.issuer().as_raw() == issuer.subject().as_raw()
        && responder.extended_key_usage().is_ok_and(for_it)
        && (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now)
        && issued(responder, issuer)
}

fn issued(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    // The signature's algorithm is written twice, inside and outside of what is signed (RFC 5280, section 4.1.1.2).
    let mut outer = super::der::Reader(certificate.as_raw());
    let Some(mut parts) = outer.sequence() else { return false };
    let (Some(signed), Some(algorithm)) = (parts.next(), parts.next()) else { return false };
    verified(issuer, algorithm.content, signed.whole, &certificate.signature_value.data)
}

/// Whether a signature is by this certificate's key. `algorithm` is the content of an AlgorithmIdentifier.
fn verified(by: &X509Certificate<'_>, algorithm: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    let key = by.public_key();
    let Some(kind) = super::der::Reader(key.raw).sequence().and_then(|mut parts| parts.next()) else { return false };
    let known = aws_lc_rs::default_provider().signature_verification_algorithms;
    known.all.iter().any(|known| {
        *known.signature_alg_id() == *algorithm
            && *known.public_key_alg_id() == *kind.content
            && known.verify_signature(&key.subject_public_key.data, signed, signature).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};

    use super::super::fixture::Answer;
    use super::*;

    const NOW: i64 = 1_795_356_000;

    struct World {
        ca: CertifiedIssuer<'static, KeyPair>,
        leaf: Vec<u8>,
    }

    fn ca(name: &str) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn world() -> World {
        let ca = ca("ca");
        let leaf = CertificateParams::new(vec!["bot.test".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &ca).unwrap().der().to_vec();
        World { ca, leaf }
    }

    impl World {
        fn answer(&self) -> Answer {
            Answer::good(&self.leaf, self.ca.der(), NOW)
        }

        fn judge(&self, response: &[u8]) -> Result<Span, Fault> {
            judge(response, &self.leaf, self.ca.der(), at(NOW))
        }

        fn judged(&self, change: impl FnOnce(&mut Answer)) -> Result<Span, Fault> {
            let mut answer = self.answer();
            change(&mut answer);
            self.judge(&answer.sign(self.ca.key()))
        }

        /// A responder's certificate and key, appointed by this CA unless changed.
        fn responder(&self, change: impl FnOnce(&mut CertificateParams)) -> (Vec<u8>, KeyPair) {
            let mut params = CertificateParams::default();
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
            change(&mut params);
            let key = KeyPair::generate().unwrap();
            (params.signed_by(&key, &self.ca).unwrap().der().to_vec(), key)
        }
    }

    fn at(seconds: i64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds.cast_unsigned()))
    }

    #[test]
    fn a_good_fresh_answer_of_the_issuer_is_shown_for_its_span() {
        let world = world();
        let span = Span { from: NOW - 3600, until: NOW + 86_400 };
        assert_eq!(world.judged(|_| {}), Ok(span));
        assert_eq!(world.judged(|answer| answer.sha256 = true), Ok(span));
        assert!(span.covers(at(NOW + 86_399)) && !span.covers(at(NOW + 86_400)));
        assert!(!span.covers(at(NOW - 3600 - 301)));
    }

    #[test]
    fn what_is_not_good_or_not_fresh_is_never_shown() {
        let world = world();
        assert_eq!(world.judged(|answer| answer.status = 1), Err(Fault::Revoked));
        assert_eq!(world.judged(|answer| answer.status = 2), Err(Fault::Unknown));
        assert_eq!(world.judged(|answer| answer.next_update = None), Err(Fault::Endless));
        assert_eq!(world.judged(|answer| answer.next_update = Some(NOW)), Err(Fault::Stale));
        assert_eq!(world.judged(|answer| answer.this_update = NOW + 301), Err(Fault::Early));
        assert_eq!(world.judge(&[0x30, 3, 0x0a, 1, 6]), Err(Fault::Refused(refusal(6))));
        assert_eq!(world.judge(b"no answer"), Err(Fault::Malformed));
    }

    #[test]
    fn an_answer_about_another_certificate_is_not_taken() {
        let (world, other) = (world(), world());
        assert_eq!(world.judged(|answer| answer.leaf.clone_from(&other.leaf)), Err(Fault::Another));
        let mut answer = world.answer();
        answer.issuer = other.ca.der().to_vec();
        assert_eq!(world.judge(&answer.sign(world.ca.key())), Err(Fault::Another), "the same serial of another issuer");
    }

    #[test]
    fn only_the_issuer_and_whom_it_has_appointed_may_sign() {
        let world = world();
        let signed = |certificate: Vec<u8>, key: &KeyPair| {
            let mut answer = world.answer();
            answer.certificates = vec![certificate];
            world.judge(&answer.sign(key)).map(|_| ())
        };
        let (appointed, key) = world.responder(|_| {});
        assert_eq!(signed(appointed.clone(), &key), Ok(()));
        let stranger = KeyPair::generate().unwrap();
        assert_eq!(signed(appointed, &stranger), Err(Fault::Unsigned), "another key than the certificate's");
        let (no_usage, key) = world.responder(|params| params.extended_key_usages.clear());
        assert_eq!(signed(no_usage, &key), Err(Fault::Unsigned), "any certificate of the CA");
        let (expired, key) = world.responder(|params| params.not_after = rcgen::date_time_ymd(2026, 1, 1));
        assert_eq!(signed(expired, &key), Err(Fault::Unsigned), "an appointment that is over");
        let impostor = World { ca: ca("ca"), leaf: Vec::new() };
        let (forged, key) = impostor.responder(|_| {});
        assert_eq!(signed(forged, &key), Err(Fault::Unsigned), "a CA that only bears the same name");
        assert_eq!(world.judge(&world.answer().sign(&stranger)), Err(Fault::Unsigned));
    }

    #[test]
    fn a_request_names_the_certificate_that_it_asks_about() {
        let world = world();
        let request = super::super::request(&world.leaf, world.ca.der()).unwrap();
        let serial = X509Certificate::from_der(&world.leaf).unwrap().1.raw_serial().to_vec();
        assert!(request.windows(serial.len()).any(|bytes| bytes == serial));
        assert_eq!(super::super::request(&world.leaf, &world.leaf), None, "it did not issue itself");
    }

    #[test]
    fn an_answer_in_which_any_bit_was_changed_is_not_taken() {
        let world = world();
        let answer = world.answer().sign(world.ca.key());
        for bit in 0..answer.len() * 8 {
            let mut changed = answer.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(world.judge(&changed).is_err(), "bit {bit}");
        }
        for length in 0..answer.len() {
            assert!(world.judge(&answer[..length]).is_err(), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }
    }
}
