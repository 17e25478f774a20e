//! The answer, taken apart (RFC 6960, section 4.2). What is here was read, and not yet believed.

use x509_parser::asn1_rs::{Oid, Tag, oid};
use x509_parser::prelude::{ASN1Time, FromDer};

use super::der::{Element, Reader};

/// The one type of answers that is in use (`id-pkix-ocsp-basic`).
const BASIC: Oid<'static> = oid!(1.3.6.1.5.5.7.48.1.1);

/// An answer with content.
#[derive(Debug)]
pub(super) struct Basic<'a> {
    /// What is signed.
    pub(super) signed: &'a [u8],
    /// How, as the content of an AlgorithmIdentifier.
    pub(super) algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
    /// Certificates that came along, DER.
    pub(super) certificates: Vec<&'a [u8]>,
    /// What it says, about one certificate each.
    pub(super) singles: Vec<Single<'a>>,
}

/// What it says about one certificate.
#[derive(Debug)]
pub(super) struct Single<'a> {
    /// Which hash names the issuer.
    pub(super) hash: Oid<'a>,
    pub(super) name: &'a [u8],
    pub(super) key: &'a [u8],
    pub(super) serial: &'a [u8],
    pub(super) status: Status,
    /// In seconds since 1970 (UTC).
    pub(super) this_update: i64,
    /// Likewise; none: newer information is always to be had.
    pub(super) next_update: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Good,
    Revoked,
    Unknown,
}

/// Why an answer has no content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Empty {
    /// It is no DER of this form.
    Malformed,
    /// The responder does not answer, with this status (RFC 6960, section 2.3).
    Status(u8),
    /// Of a type that nobody uses.
    OtherType,
}

/// Takes an answer apart.
pub(super) fn read(bytes: &[u8]) -> Result<Basic<'_>, Empty> {
    let mut top = Reader(bytes);
    let mut response = top.sequence().filter(|_| top.is_empty()).ok_or(Empty::Malformed)?;
    let status = response.take(Tag::Enumerated).ok_or(Empty::Malformed)?;
    match status.content {
        [0] => {}
        [status] => return Err(Empty::Status(*status)),
        _ => return Err(Empty::Malformed),
    }
    let (kind, octets) = typed(&mut response).ok_or(Empty::Malformed)?;
    if kind != BASIC {
        return Err(Empty::OtherType);
    }
    basic(octets).ok_or(Empty::Malformed)
}

fn typed<'a>(response: &mut Reader<'a>) -> Option<(Oid<'a>, &'a [u8])> {
    let mut bytes = Reader(Reader(response.optional(0)?.content).take(Tag::Sequence)?.content);
    let kind = read_oid(bytes.take(Tag::Oid)?)?;
    Some((kind, bytes.take(Tag::OctetString)?.content))
}

fn basic(bytes: &[u8]) -> Option<Basic<'_>> {
    let mut top = Reader(bytes);
    let mut response = top.sequence().filter(|_| top.is_empty())?;
    let signed = response.take(Tag::Sequence)?;
    let algorithm = response.take(Tag::Sequence)?.content;
    // All its bits are used: the signatures that are known are whole bytes.
    let signature = response.take(Tag::BitString)?.content.strip_prefix(&[0])?;
    let mut certificates = Vec::new();
    if let Some(all) = response.optional(0) {
        let mut all = Reader(all.content).sequence()?;
        while !all.is_empty() {
            certificates.push(all.take(Tag::Sequence)?.whole);
        }
    }
    Some(Basic { signed: signed.whole, algorithm, signature, certificates, singles: data(signed)? })
}

/// `ResponseData`. Its extensions may not change what an answer means (a nonce was not asked for).
fn data(signed: Element<'_>) -> Option<Vec<Single<'_>>> {
    let mut data = Reader(signed.content);
    data.optional(0);
    // Who says it, by name or by key: whose key verifies the signature is what counts.
    data.next().filter(|id| id.is_context(1) || id.is_context(2))?;
    data.take(Tag::GeneralizedTime)?;
    let mut all = data.sequence()?;
    let mut singles = Vec::new();
    while !all.is_empty() {
        singles.push(single(all.sequence()?)?);
    }
    Some(singles)
}

fn single(mut single: Reader<'_>) -> Option<Single<'_>> {
    let mut id = single.sequence()?;
    let hash = read_oid(id.sequence()?.take(Tag::Oid)?)?;
    let (name, key) = (id.take(Tag::OctetString)?.content, id.take(Tag::OctetString)?.content);
    let serial = id.take(Tag::Integer)?.content;
    let status = single.next()?;
    let status = match (0..3).find(|tag| status.is_context(*tag))? {
        0 => Status::Good,
        1 => Status::Revoked,
        _ => Status::Unknown,
    };
    let this_update = time(single.take(Tag::GeneralizedTime)?)?;
    let next_update = match single.optional(0) {
        Some(next) => Some(time(Reader(next.content).take(Tag::GeneralizedTime)?)?),
        None => None,
    };
    Some(Single { hash, name, key, serial, status, this_update, next_update })
}

fn read_oid(element: Element<'_>) -> Option<Oid<'_>> {
    Some(Oid::from_der(element.whole).ok()?.1)
}

fn time(element: Element<'_>) -> Option<i64> {
    Some(ASN1Time::from_der(element.whole).ok()?.1.timestamp())
}
