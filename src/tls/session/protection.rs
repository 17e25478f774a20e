//! One direction's key: a record opened, a record sealed.

use std::io::IoSlice;
use std::ops::Range;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use rustls::ConnectionTrafficSecrets;

use super::fault::Fault;
use super::frame::{CHANGE_CIPHER_SPEC, DATA, HEADER, MAX_PLAINTEXT, header};

/// Bytes of an authentication tag, of every suite that is spoken.
const TAG: usize = 16;
/// Most bytes that sealing adds to a record's data: header, explicit nonce or inner type, tag.
pub(super) const MAX_ADDED: usize = HEADER + 8 + TAG;

/// How records are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The type is inside, behind the data and before any padding (RFC 8446, section 5.2).
    Tls13,
    /// Eight bytes of nonce before the data (RFC 5288, section 3).
    Tls12Gcm,
    /// (RFC 7905, section 2.)
    Tls12Chacha,
}

impl Form {
    const fn explicit(self) -> usize {
        if matches!(self, Self::Tls12Gcm) { 8 } else { 0 }
    }

    const fn inner(self) -> usize {
        if matches!(self, Self::Tls13) { 1 } else { 0 }
    }
}

/// One direction's key, and how many records it has protected.
pub(super) struct Protection {
    key: LessSafeKey,
    iv: [u8; 12],
    /// The number of the next record.
    next: u64,
    form: Form,
}

impl Protection {
    /// Goes on with these secrets at this record number.
    pub(super) fn new(tls13: bool, (next, secrets): (u64, ConnectionTrafficSecrets)) -> Result<Self, Fault> {
        let (algorithm, key, iv): (&'static Algorithm, _, _) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return Err(Fault::Crypto),
        };
        let form = match (tls13, algorithm == &CHACHA20_POLY1305) {
            (true, _) => Form::Tls13,
            (false, true) => Form::Tls12Chacha,
            (false, false) => Form::Tls12Gcm,
        };
        let key = UnboundKey::new(algorithm, key.as_ref()).map_err(|_| Fault::Crypto)?;
        let iv = iv.as_ref().try_into().map_err(|_| Fault::Crypto)?;
        Ok(Self { key: LessSafeKey::new(key), iv, next, form })
    }

    /// How many records it has protected.
    pub(super) const fn used(&self) -> u64 {
        self.next
    }

    /// The nonce of the next record. It is unique: the number is counted on, whatever becomes of the record.
    fn nonce(&self) -> [u8; 12] {
        let mut nonce = self.iv;
        for (byte, number) in nonce[4..].iter_mut().zip(self.next.to_be_bytes()) {
            *byte ^= number;
        }
        nonce
    }

    /// What is authenticated besides: the record's header, before TLS 1.3 with its number (RFC 5246, section 6.2.3.3).
    fn associated(&self, kind: u8, payload: usize, data: usize, into: &mut [u8; 13]) -> usize {
        if self.form == Form::Tls13 {
            into[..HEADER].copy_from_slice(&header(DATA, payload));
            return HEADER;
        }
        into[..8].copy_from_slice(&self.next.to_be_bytes());
        into[8..].copy_from_slice(&header(kind, data));
        13
    }

    /// Opens a record, which lies in `record` whole and alone and says from outside that it is of this kind. What kind it is in
    /// truth, and where its data lie.
    pub(super) fn open(&mut self, kind: u8, record: &mut [u8]) -> Result<(u8, Range<usize>), Fault> {
        let payload = record.len() - HEADER;
        let begin = HEADER + self.form.explicit();
        // TLS 1.3 has no record of another kind after the handshake, TLS 1.2 none that changes the cipher.
        if (self.form == Form::Tls13 && kind != DATA) || kind == CHANGE_CIPHER_SPEC {
            return Err(Fault::Unexpected);
        }
        let Some(data) = record.len().checked_sub(begin + TAG) else { return Err(Fault::BadRecord) };
        let mut nonce = self.nonce();
        if self.form == Form::Tls12Gcm {
            nonce[..4].copy_from_slice(&self.iv[..4]);
            nonce[4..].copy_from_slice(&record[HEADER..begin]);
        }
        let mut associated = [0; 13];
        let length = self.associated(kind, payload, data, &mut associated);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = self.key.open_in_place(nonce, Aad::from(&associated[..length]), &mut record[begin..]);
        let plain: &[u8] = opened.map_err(|_| Fault::BadRecord)?;
        self.next = self.next.checked_add(1).ok_or(Fault::Exhausted)?;
        let (kind, data) = match self.form {
            Form::Tls13 if plain.len() > MAX_PLAINTEXT + 1 => return Err(Fault::TooLong),
            // What follows the type is padding.
            Form::Tls13 => match plain.iter().rposition(|byte| *byte != 0) {
                Some(last) => (plain[last], last),
                None => return Err(Fault::Unexpected),
            },
            Form::Tls12Gcm | Form::Tls12Chacha => (kind, plain.len()),
        };
        if data > MAX_PLAINTEXT { Err(Fault::TooLong) } else { Ok((kind, begin..begin + data)) }
    }

    /// Seals the first `length` bytes of `parts` as one record of this kind, written to the front of `out`. How long it is.
    pub(super) fn seal(
        &mut self,
        kind: u8,
        parts: &mut Parts<'_>,
        length: usize,
        out: &mut [u8],
    ) -> Result<usize, Fault> {
        let (explicit, inner) = (self.form.explicit(), self.form.inner());
        let payload = explicit + length + inner + TAG;
        let nonce = self.nonce();
        let mut associated = [0; 13];
        let bytes = self.associated(kind, payload, length, &mut associated);
        let begin = HEADER + explicit;
        out[..HEADER].copy_from_slice(&header(if self.form == Form::Tls13 { DATA } else { kind }, payload));
        out[HEADER..begin].copy_from_slice(&nonce[4..4 + explicit]);
        let (data, tail) = out[begin..HEADER + payload].split_at_mut(length);
        let (nonce, aad) = (Nonce::assume_unique_for_key(nonce), Aad::from(&associated[..bytes]));
        let inner = &[kind][..inner];
        // Straight from where the bytes lie, if they lie together.
        let sealed = match parts.together(length) {
            Some(plain) => self.key.seal_out_of_place_scatter(nonce, aad, plain, data, inner, tail),
            None => {
                parts.copy(data);
                self.key.seal_in_place_scatter(nonce, aad, data, inner, tail)
            }
        };
        sealed.map_err(|_| Fault::Crypto)?;
        self.next = self.next.checked_add(1).ok_or(Fault::Exhausted)?;
        Ok(HEADER + payload)
    }
}

/// Bytes to be sealed, wherever they lie.
pub(super) struct Parts<'a> {
    first: &'a [u8],
    rest: &'a [IoSlice<'a>],
}

impl<'a> Parts<'a> {
    pub(super) const fn new(rest: &'a [IoSlice<'a>]) -> Self {
        Self { first: &[], rest }
    }

    pub(super) const fn of(first: &'a [u8]) -> Self {
        Self { first, rest: &[] }
    }

    pub(super) fn len(&self) -> usize {
        self.first.len() + self.rest.iter().map(|part| part.len()).sum::<usize>()
    }

    fn skip_empty(&mut self) {
        while self.first.is_empty()
            && let [next, rest @ ..] = self.rest
        {
            (self.first, self.rest) = (next, rest);
        }
    }

    /// Takes so many bytes, if they lie in one piece.
    fn together(&mut self, length: usize) -> Option<&'a [u8]> {
        self.skip_empty();
        let (taken, rest) = self.first.split_at_checked(length)?;
        self.first = rest;
        Some(taken)
    }

    /// Takes as many bytes as `into` is long, or as there are.
    fn copy(&mut self, mut into: &mut [u8]) {
        while !into.is_empty() {
            self.skip_empty();
            let length = self.first.len().min(into.len());
            if length == 0 {
                return;
            }
            let (filled, left) = into.split_at_mut(length);
            filled.copy_from_slice(&self.first[..length]);
            (self.first, into) = (&self.first[length..], left);
        }
    }
}
