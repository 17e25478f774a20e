//! How a tunnel ended.

/// Who or what ended a tunnel (a WebSocket or another upgrade).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TunnelEnd {
    /// The client closed, or its connection broke.
    Client,
    /// The backend closed, or its connection broke.
    Backend,
    /// No byte passed for too long.
    Idle,
    /// It had lasted for as long as it may.
    Total,
    /// Its pool moved to a backend of a later priority, or its backend was given up or taken away.
    Failover,
    /// Its pool moved to a backend of an earlier priority.
    Failback,
    /// The gateway stopped.
    Shutdown,
    /// A WebSocket frame broke the protocol.
    Protocol,
}

impl TunnelEnd {
    /// All of them; each stands at the index that it has as a number.
    pub const ALL: [Self; 8] = [
        Self::Client,
        Self::Backend,
        Self::Idle,
        Self::Total,
        Self::Failover,
        Self::Failback,
        Self::Shutdown,
        Self::Protocol,
    ];

    /// The word used in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Backend => "backend",
            Self::Idle => "idle",
            Self::Total => "total",
            Self::Failover => "failover",
            Self::Failback => "failback",
            Self::Shutdown => "shutdown",
            Self::Protocol => "protocol",
        }
    }
}
