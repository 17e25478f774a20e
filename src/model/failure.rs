//! How an attempt fails: whose fault, in which phase, and may it be tried elsewhere.

/// Who is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client: a bad request, or it went away.
    Client,
    /// botgate itself: a limit, no backend to try.
    Gateway,
    /// The backend or the network to it.
    Backend,
}

/// How far an attempt got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AttemptPhase {
    /// Connecting: nothing was sent.
    Dial,
    /// The TLS handshake with the backend: nothing of the request was sent.
    Tls,
    /// Writing the request.
    Send,
    /// Waiting for the response head.
    Wait,
    /// The response body has begun.
    Stream,
}

impl AttemptPhase {
    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dial => "dial",
            Self::Tls => "tls",
            Self::Send => "send",
            Self::Wait => "wait",
            Self::Stream => "stream",
        }
    }
}

/// What is known about the backend after a failed attempt: decides whether another may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It saw nothing: always safe to try elsewhere.
    Unsent,
    /// It said that it did not serve the request (a status of `retry.status`).
    Refused,
    /// It may have acted, or may still act: only idempotent or keyed requests may be tried elsewhere.
    Ambiguous,
    /// The client has part of the response: never.
    Begun,
}

/// One failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// Whose fault.
    pub side: Side,
    /// In which phase.
    pub phase: AttemptPhase,
    /// What is known of the backend.
    pub fate: Fate,
}
