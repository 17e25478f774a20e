//! From the `Authorization` header to the three parts of a token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::model::TokenFault;
use crate::wire::{Fields, Known};

/// Longest token, in bytes. Those of the channel have about a thousand.
pub(super) const LONGEST: usize = 16 * 1024;

/// The token of a request.
///
/// RFC 7235 lets the scheme be written in any case. The connector writes `Bearer`, and botbuilder-js refuses anything else:
/// so is it here.
///
/// # Errors
/// [`TokenFault::Missing`], [`TokenFault::Malformed`], [`TokenFault::TooLarge`].
pub(super) fn bearer(fields: &Fields) -> Result<&str, TokenFault> {
    let mut written = fields.all(Known::Authorization);
    let value = written.next().ok_or(TokenFault::Missing)?;
    if written.next().is_some() {
        return Err(TokenFault::Malformed);
    }
    if value.is_empty() {
        return Err(TokenFault::Missing);
    }
    if value.len() > LONGEST {
        return Err(TokenFault::TooLarge);
    }
    let token = value.strip_prefix(b"Bearer ").ok_or(TokenFault::Malformed)?;
    // What is no base64url is found when it is decoded; here it only has to be text.
    let token = std::str::from_utf8(token).map_err(|_| TokenFault::Malformed)?;
    if token.is_empty() { Err(TokenFault::Malformed) } else { Ok(token) }
}

/// A token, taken apart (RFC 7515, section 7.1).
pub(super) struct Parts<'a> {
    /// The JSON of its header.
    pub(super) header: Vec<u8>,
    /// The JSON of its claims.
    pub(super) claims: Vec<u8>,
    /// What was signed: both, as they were written.
    pub(super) signed: &'a str,
    /// The signature, still encoded.
    pub(super) signature: &'a str,
}

impl<'a> Parts<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`TokenFault::Malformed`]: not three parts (five would be an encrypted one), or not the one way to write their bytes
    /// in base64url: padding, other alphabets and stray bits would let one token be written in many ways.
    pub(super) fn of(token: &'a str) -> Result<Self, TokenFault> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenFault::Malformed)?;
        if header.is_empty() || claims.is_empty() || claims.contains('.') {
            return Err(TokenFault::Malformed);
        }
        Ok(Self { header: decoded(header)?, claims: decoded(claims)?, signed, signature })
    }
}

/// The bytes of strict base64url without padding (RFC 7515, section 2).
pub(super) fn decoded(text: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenFault::Malformed)
}
