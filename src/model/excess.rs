//! What a peer does too much of on an HTTP/2 connection.

/// What a peer did so much of that its HTTP/2 connection was ended (RFC 9113, section 10.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Excess {
    /// It reset streams (rapid reset, CVE-2023-44487).
    Resets,
    /// It made this side reset streams, by breaking the rules of each (made-you-reset, CVE-2025-8671).
    ProvokedResets,
    /// A block of header fields in too many frames, or of too many bytes (CONTINUATION flood, CVE-2024-24549 and its kin).
    HeaderBlock,
    /// A block of header fields that does not end in time.
    SlowHeader,
    /// Blocks of header fields that open no stream: interim responses, trailers.
    Headers,
    /// SETTINGS, each of which wants an answer (CVE-2019-9515).
    Settings,
    /// PING, each of which wants an answer (CVE-2019-9512).
    Pings,
    /// PRIORITY and PRIORITY_UPDATE (CVE-2019-9513).
    Priorities,
    /// WINDOW_UPDATE.
    WindowUpdates,
    /// DATA without data (CVE-2019-9518).
    EmptyData,
    /// Frames that no rule needs, of unknown kinds among them.
    OtherFrames,
    /// A cap of the HTTP library's own.
    Library,
}

impl Excess {
    /// All of them; each stands at the index that it has as a number.
    pub const ALL: [Self; 12] = [
        Self::Resets,
        Self::ProvokedResets,
        Self::HeaderBlock,
        Self::SlowHeader,
        Self::Headers,
        Self::Settings,
        Self::Pings,
        Self::Priorities,
        Self::WindowUpdates,
        Self::EmptyData,
        Self::OtherFrames,
        Self::Library,
    ];

    /// Whether no honest peer comes near it: the others are one head that is too large, a bad line, or many small messages
    /// that nobody reads.
    pub const fn is_flood(self) -> bool {
        !matches!(self, Self::HeaderBlock | Self::SlowHeader | Self::Library)
    }

    /// The word used in logs, metrics, and towards the peer.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resets => "resets",
            Self::ProvokedResets => "provoked-resets",
            Self::HeaderBlock => "header-block",
            Self::SlowHeader => "slow-header",
            Self::Headers => "headers",
            Self::Settings => "settings",
            Self::Pings => "pings",
            Self::Priorities => "priorities",
            Self::WindowUpdates => "window-updates",
            Self::EmptyData => "empty-data",
            Self::OtherFrames => "other-frames",
            Self::Library => "library",
        }
    }
}

impl std::fmt::Display for Excess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for Excess {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stands_at_its_own_index_under_a_word_of_its_own() {
        let mut words = std::collections::HashSet::new();
        for (index, excess) in Excess::ALL.into_iter().enumerate() {
            assert_eq!(excess as usize, index);
            assert!(words.insert(excess.as_str()));
        }
    }
}
