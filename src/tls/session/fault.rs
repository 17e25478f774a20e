//! What a peer does wrong, and the alert it is told.

/// Why an established TLS connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A record, or a message in it, that has no place here.
    #[error("a TLS record that has no place here")]
    Unexpected,
    /// A record that was not sealed with the keys of this connection, or was changed on its way.
    #[error("a TLS record that cannot be decrypted")]
    BadRecord,
    /// A record that is longer than one may be.
    #[error("a TLS record that is too long")]
    TooLong,
    /// Bytes that are no record, or no message.
    #[error("malformed TLS")]
    Malformed,
    /// A message with a value that it may not have.
    #[error("a TLS message with a value that it may not have")]
    Illegal,
    /// Messages that cost work and bring nothing, again and again.
    #[error("too many TLS messages that bring nothing")]
    TooMany,
    /// The peer told a fatal alert: it has ended the connection already.
    #[error("the peer ended the connection: TLS alert {0}")]
    Alerted(u8),
    /// So much was sealed with a key that no more may be, and there is no other key.
    #[error("the TLS keys are used up")]
    Exhausted,
    /// The cryptography failed, where it never does.
    #[error("the TLS cryptography failed")]
    Crypto,
}

impl Fault {
    /// The alert that says so (RFC 8446, section 6); none where the peer is not there to hear it.
    pub(super) const fn alert(self) -> Option<u8> {
        match self {
            Self::Unexpected | Self::TooMany => Some(10),
            Self::BadRecord => Some(20),
            Self::TooLong => Some(22),
            Self::Illegal => Some(47),
            Self::Malformed => Some(50),
            Self::Exhausted | Self::Crypto => Some(80),
            Self::Alerted(_) => None,
        }
    }
}
