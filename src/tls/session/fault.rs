//! Why a connection cannot go on.

/// Why a TLS connection cannot go on. What the peer is told about it is the library's to say.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    /// The library says why.
    #[error(transparent)]
    Library(#[from] rustls::Error),
    /// A message in so many pieces that it is not kept until it is whole.
    #[error("a TLS message that is too long")]
    TooLong,
    /// So much was sealed with a key that no more may be, and there is no other key.
    #[error("the TLS keys are used up")]
    Exhausted,
    /// It has ended already: by an error, or by a goodbye that was said.
    #[error("the TLS connection has ended")]
    Ended,
    /// The library came to something that has no place here.
    #[error("TLS came to a state that has no place here")]
    Unexpected,
}
