//! Who gave an order, as the journal will say it.

use std::fmt;

use http::HeaderMap;

/// The header in which the command line sends the name of the user who runs it.
///
/// A label and no proof: it is written beside what was proven, never instead of it.
pub(super) const ACTOR_HEADER: &str = "botgate-actor";

/// Longest label, in characters.
const LONGEST: usize = 64;

/// How the caller was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// By the admin token.
    Token,
    /// By reaching a loopback address.
    Local,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Actor {
    proof: Proof,
    label: Option<String>,
}

impl Actor {
    /// The caller with this proof, and the label in its headers if it has a sound one.
    pub(super) fn new(proof: Proof, headers: &HeaderMap) -> Self {
        let label = headers.get(ACTOR_HEADER).and_then(|value| value.to_str().ok()).map(str::trim);
        let sound = |label: &&str| !label.is_empty() && label.chars().count() <= LONGEST;
        Self { proof, label: label.filter(sound).map(str::to_owned) }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.proof {
            Proof::Token => "admin-token",
            Proof::Local => "local",
        })?;
        match &self.label {
            Some(label) => write!(f, " ({label})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(label: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(ACTOR_HEADER), label.parse().unwrap())])
    }

    #[test]
    fn a_label_stands_beside_the_proof() {
        assert_eq!(Actor::new(Proof::Token, &labelled("alice")).to_string(), "admin-token (alice)");
        assert_eq!(Actor::new(Proof::Local, &HeaderMap::new()).to_string(), "local");
    }

    #[test]
    fn an_overlong_or_empty_label_is_left_out() {
        assert_eq!(Actor::new(Proof::Local, &labelled(&"x".repeat(65))).to_string(), "local");
        assert_eq!(Actor::new(Proof::Local, &labelled("  ")).to_string(), "local");
    }
}
