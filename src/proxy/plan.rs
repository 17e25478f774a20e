//! What to do after a failed attempt. Pure: the table of design section 5 (README, "Attempts and replay").

use http::Method;

use crate::model::{Fate, Replay};

/// Whether the replay rule lets this request be tried elsewhere once a backend may have seen it.
///
/// Idempotent methods are those of RFC 9110, section 9.2.2. `keyed` is whether the request carries an application id by
/// which a backend can tell a repetition.
pub(super) fn may_replay(rule: Replay, method: &Method, keyed: bool) -> bool {
    match rule {
        Replay::Unsent => false,
        Replay::Safe => method.is_idempotent(),
        Replay::Keyed => method.is_idempotent() || keyed,
        Replay::All => true,
    }
}

/// A failed attempt and what is left to try.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    /// What is known about the backend.
    pub(super) fate: Fate,
    /// What [`may_replay`] says.
    pub(super) may_replay: bool,
    /// Whether the whole body can be sent again.
    pub(super) body_is_whole: bool,
    /// Whether the attempt went over a connection that had been used before, which its backend may just have closed.
    pub(super) reused: bool,
    /// Whether a backend is left that was not tried in this round, or there is another round.
    pub(super) another: bool,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The same backend over a new connection.
    Redial,
    /// The next backend, in this round or the next.
    Elsewhere,
    /// Answer with the failure.
    GiveUp,
}

/// Decides what follows a failed attempt, the deadline and the retry budget aside.
pub(super) fn next(it: Situation) -> Next {
    let allowed = match it.fate {
        Fate::Unsent => true,
        Fate::Refused | Fate::Ambiguous => it.may_replay,
        Fate::Begun => false,
    };
    if !allowed || !it.body_is_whole {
        Next::GiveUp
    } else if it.reused && it.fate != Fate::Refused {
        Next::Redial
    } else if it.another {
        Next::Elsewhere
    } else {
        Next::GiveUp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Situation =
        Situation { fate: Fate::Unsent, may_replay: false, body_is_whole: true, reused: false, another: true };

    #[test]
    fn what_was_never_sent_goes_elsewhere_always() {
        assert_eq!(next(BASE), Next::Elsewhere);
    }

    #[test]
    fn what_may_have_been_acted_on_goes_elsewhere_by_rule_only() {
        for fate in [Fate::Ambiguous, Fate::Refused] {
            assert_eq!(next(Situation { fate, ..BASE }), Next::GiveUp);
            assert_eq!(next(Situation { fate, may_replay: true, ..BASE }), Next::Elsewhere);
        }
    }

    #[test]
    fn a_response_that_has_begun_is_never_replaced() {
        assert_eq!(next(Situation { fate: Fate::Begun, may_replay: true, ..BASE }), Next::GiveUp);
    }

    #[test]
    fn a_body_that_is_gone_cannot_be_sent_again() {
        assert_eq!(next(Situation { body_is_whole: false, may_replay: true, ..BASE }), Next::GiveUp);
    }

    #[test]
    fn a_stale_connection_is_no_reason_to_leave_the_backend() {
        assert_eq!(next(Situation { reused: true, another: false, ..BASE }), Next::Redial);
        let refused = Situation { reused: true, fate: Fate::Refused, may_replay: true, ..BASE };
        assert_eq!(next(refused), Next::Elsewhere);
    }

    #[test]
    fn the_last_backend_is_the_last_attempt() {
        assert_eq!(next(Situation { another: false, ..BASE }), Next::GiveUp);
    }

    #[test]
    fn the_replay_rules_are_those_of_the_design() {
        let cases = [
            (Replay::Unsent, Method::GET, true, false),
            (Replay::Safe, Method::GET, false, true),
            (Replay::Safe, Method::PUT, false, true),
            (Replay::Safe, Method::POST, true, false),
            (Replay::Keyed, Method::POST, true, true),
            (Replay::Keyed, Method::POST, false, false),
            (Replay::Keyed, Method::DELETE, false, true),
            (Replay::All, Method::POST, false, true),
        ];
        for (rule, method, keyed, expected) in cases {
            assert_eq!(may_replay(rule, &method, keyed), expected, "{rule:?} {method} {keyed}");
        }
    }
}
