//! The closed choices of the config.

use serde::{Deserialize, Serialize};

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// The word used in config, logs and the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

choice! {
    /// What a pool serves. A preset: every key it sets can be set by hand.
    PoolKind {
        /// Any HTTP service.
        #[default]
        Http = "http",
        /// A bot's messaging endpoint.
        Bot = "bot",
        /// QnA Maker or custom question answering.
        QuestionAnswering = "question-answering",
    }
}

choice! {
    /// Which requests may be tried at another backend once they were written to one (design, section 5).
    Replay {
        /// Only requests that no backend has seen.
        Unsent = "unsent",
        /// Also requests with an idempotent method (RFC 9110, section 9.2.2).
        #[default]
        Safe = "safe",
        /// Also requests that carry an application id: an `Idempotency-Key` header.
        Keyed = "keyed",
        /// Every request, whatever its method: for services whose POSTs only read, such as question answering.
        All = "all",
    }
}

choice! {
    /// What becomes of a request whose token is wanting.
    TokenMode {
        /// It is refused: 401, or 403 when its channel is not endorsed.
        Enforce = "enforce",
        /// It is counted, logged and let through.
        Report = "report",
        /// Tokens are not looked at.
        #[default]
        Off = "off",
    }
}

choice! {
    /// What to do with requests when no backend is available.
    AllDown {
        /// Treat all backends as available, by priority (Traffic Manager's habit).
        #[default]
        TryAll = "try-all",
        /// 503 with `Retry-After`.
        Reject = "reject",
    }
}

choice! {
    /// Where a pool is when the active backend and every standby are bad.
    WhenBothBad {
        /// Where it is: what does not move cannot go wrong by moving.
        #[default]
        Stay = "stay",
        /// On the backend of first priority (Traffic Manager's habit).
        Priority = "priority",
    }
}

choice! {
    /// What a pool that follows another does when its backend in the region moved to is not available.
    WhenUnavailable {
        /// Stays where it is, until that backend is ready for `failback.hold`.
        #[default]
        Stay = "stay",
        /// Goes to its own best backend by priority, until that backend is ready for `failback.hold`.
        Priority = "priority",
    }
}

choice! {
    /// What a parity check may decide.
    ParityGate {
        /// A backend that has drifted is moved to only when no other choice exists.
        #[default]
        Prefer = "prefer",
        /// A backend that has drifted is not moved to, but by an operator's `--force`.
        Require = "require",
        /// Nothing: the check is shown and raises an alarm.
        Report = "report",
    }
}

choice! {
    /// How a pool moves back to its first priority.
    FailbackMode {
        /// After `hold`.
        #[default]
        Auto = "auto",
        /// When an operator says so.
        Approve = "approve",
        /// Not by itself, and not by approval: only by an operator's failback.
        Never = "never",
        /// After `hold`, inside a UTC window.
        Window = "window",
    }
}

choice! {
    /// What becomes of the tunnels (WebSockets and other upgrades) on a backend that is active no more.
    TunnelPolicy {
        /// They are closed at once.
        #[default]
        Close = "close",
        /// They are closed one after the other, oldest first.
        Drain = "drain",
        /// They go on until one of their ends closes.
        Keep = "keep",
    }
}
