//! Who asks, as the journal will say it, and what they may do.

use std::fmt;

use http::HeaderMap;

use super::credential::Credential;
use crate::model::{Role, Utc};

/// The header in which the command line sends the name of the user who runs it.
///
/// A label and no proof: it is written beside what was proven, in brackets, never instead of it. One that has brackets
/// itself could close them and go on as a proof.
pub(super) const ACTOR_HEADER: &str = "botgate-actor";

/// Longest label, in characters.
const LONGEST: usize = 64;

/// How the caller was let in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Proof {
    /// By reaching a loopback address.
    Local,
    /// By the admin token that has no name.
    Token,
    /// By the token of this name.
    Named(String),
    /// By a certificate of this name.
    Certificate(String),
    /// By a token that an OpenID issuer gave to whom it calls so.
    Oidc(String),
}

impl Proof {
    /// Whether a browser shows it by itself, to whatever page asks: then the name that it was asked by must be checked.
    pub(super) const fn is_ambient(&self) -> bool {
        matches!(self, Self::Local | Self::Certificate(_))
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Token => f.write_str("admin-token"),
            Self::Named(name) => write!(f, "token:{name}"),
            Self::Certificate(name) => write!(f, "certificate:{name}"),
            Self::Oidc(name) => write!(f, "oidc:{name}"),
        }
    }
}

/// What was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proven {
    pub(super) proof: Proof,
    pub(super) role: Role,
    /// The first moment at which it is proven no more; none: when the rules change.
    pub(super) until: Option<Utc>,
}

/// Who asks.
#[derive(Clone)]
pub(super) struct Actor {
    pub(super) proven: Proven,
    /// By what it was proven: what is long under way is judged by it again.
    pub(super) credential: Credential,
    label: Option<String>,
}

impl Actor {
    /// The caller with this proof, and the label in its headers if it has a sound one.
    pub(super) fn new(proven: Proven, credential: Credential, headers: &HeaderMap) -> Self {
        let label = headers.get(ACTOR_HEADER).and_then(|value| value.to_str().ok()).map(str::trim);
        let sound = |label: &&str| !label.is_empty() && label.chars().count() <= LONGEST && !label.contains(['(', ')']);
        Self { proven, credential, label: label.filter(sound).map(str::to_owned) }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.proven.proof)?;
        match &self.label {
            Some(label) => write!(f, " ({label})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(proof: Proof, label: Option<&str>) -> String {
        let name = http::HeaderName::from_static(ACTOR_HEADER);
        let headers = HeaderMap::from_iter(label.map(|label| (name, label.parse().unwrap())));
        Actor::new(Proven { proof, role: Role::Operator, until: None }, Credential::None, &headers).to_string()
    }

    #[test]
    fn a_label_stands_beside_the_proof() {
        assert_eq!(actor(Proof::Token, Some("alice")), "admin-token (alice)");
        assert_eq!(actor(Proof::Local, None), "local");
        assert_eq!(actor(Proof::Named("ci".into()), Some("runner")), "token:ci (runner)");
        assert_eq!(actor(Proof::Certificate("Ann Ops".into()), None), "certificate:Ann Ops");
        assert_eq!(actor(Proof::Oidc("ann".into()), Some("oidc:bob")), "oidc:ann (oidc:bob)");
    }

    #[test]
    fn an_overlong_or_empty_label_is_left_out() {
        assert_eq!(actor(Proof::Local, Some(&"x".repeat(65))), "local");
        assert_eq!(actor(Proof::Local, Some("  ")), "local");
    }

    #[test]
    fn a_label_cannot_pass_for_a_proof() {
        for forged in ["a) certificate:root (b", "a)", "(a"] {
            assert_eq!(actor(Proof::Named("ci".into()), Some(forged)), "token:ci", "{forged}");
        }
    }
}
