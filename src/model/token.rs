//! What is wrong with a token, in words that logs and metrics share.

/// Why a token is not accepted. The words are stable: they are the `result` of `botgate_tokens_total`.
///
/// No fault holds anything of the token: it is a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenFault {
    /// No `Authorization` header.
    Missing,
    /// Not one header of the form `Bearer`, one space, token (RFC 6750, section 2.1); not three parts of strict base64url
    /// with JSON objects in them; a member or claim twice, or of a wrong type (RFC 7515, RFC 7519).
    Malformed,
    /// Larger than any token of the channel.
    TooLarge,
    /// Another algorithm than RS256, or a header that wants to be trusted: a key of its own, critical extensions.
    Algorithm,
    /// Issued by somebody who is not trusted here, or not for this kind of token.
    Issuer,
    /// Issued for somebody else.
    Audience,
    /// Asked for by an app that is not allowed: a skill's caller that is not listed, an emulator where none is wanted.
    Caller,
    /// Past its `exp`.
    Expired,
    /// Before its `nbf` or `iat`, or with times that make no sense.
    TooEarly,
    /// Its `serviceurl` is not the activity's, or one of them is missing.
    ServiceUrl,
    /// The issuer has published no key of this name.
    UnknownKey,
    /// The signature does not fit.
    Signature,
    /// The key is not endorsed for the activity's channel.
    Endorsement,
    /// The issuer's keys were never fetched: nothing can be said about the token.
    NoKeys,
}

impl TokenFault {
    /// All of them, as [`TokenFault::index`] numbers them.
    pub const ALL: [Self; 14] = [
        Self::Missing,
        Self::Malformed,
        Self::TooLarge,
        Self::Algorithm,
        Self::Issuer,
        Self::Audience,
        Self::Caller,
        Self::Expired,
        Self::TooEarly,
        Self::ServiceUrl,
        Self::UnknownKey,
        Self::Signature,
        Self::Endorsement,
        Self::NoKeys,
    ];

    /// Its place in [`TokenFault::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// A stable word for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::TooLarge => "too-large",
            Self::Algorithm => "algorithm",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Caller => "caller",
            Self::Expired => "expired",
            Self::TooEarly => "too-early",
            Self::ServiceUrl => "service-url",
            Self::UnknownKey => "unknown-key",
            Self::Signature => "signature",
            Self::Endorsement => "endorsement",
            Self::NoKeys => "no-keys",
        }
    }

    /// The status it is answered with: 401, but 403 for a missing endorsement (the connector's documentation wants it so),
    /// and 503 where it is botgate that cannot tell: the channel tries again.
    pub const fn status(self) -> u16 {
        match self {
            Self::Endorsement => 403,
            Self::NoKeys => 503,
            _ => 401,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_place_and_a_word_of_its_own() {
        for (index, fault) in TokenFault::ALL.into_iter().enumerate() {
            assert_eq!(fault.index(), index, "{fault:?}");
        }
        let words: std::collections::BTreeSet<&str> = TokenFault::ALL.into_iter().map(TokenFault::as_str).collect();
        assert_eq!(words.len(), TokenFault::ALL.len());
    }
}
