//! What a request shows to prove who sends it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::request::Parts;

use super::tls::Shown;

/// The two ends of a connection, and who is at the other one by its certificate.
#[derive(Clone)]
pub(super) struct Peer {
    /// Who called.
    pub(super) remote: SocketAddr,
    /// The address of this machine that was called.
    pub(super) local: IpAddr,
    /// Whose certificate the caller has shown, if any.
    pub(super) shown: Option<Arc<Shown>>,
}

/// What a request shows. An `Authorization` header goes before a certificate: who sends one wants to be judged by it.
#[derive(Clone)]
pub(super) enum Credential {
    /// Nothing.
    None,
    /// A bearer token (RFC 6750, section 2.1).
    Bearer(Arc<str>),
    /// An `Authorization` that is no bearer token, or more than one.
    Unreadable,
    /// A certificate that was verified when the connection began.
    Certificate(Arc<Shown>),
}

impl Credential {
    /// What this request shows.
    pub(super) fn of(parts: &Parts) -> Self {
        let mut all = parts.headers.get_all(AUTHORIZATION).iter();
        let Some(first) = all.next() else {
            let shown = parts.extensions.get::<Peer>().and_then(|peer| peer.shown.clone());
            return shown.map_or(Self::None, Self::Certificate);
        };
        let bearer = first.to_str().ok().and_then(|value| value.split_once(' '));
        let bearer = bearer.filter(|(scheme, _)| all.next().is_none() && scheme.eq_ignore_ascii_case("bearer"));
        bearer.map_or(Self::Unreadable, |(_, token)| Self::Bearer(token.trim().into()))
    }

    /// Whether it is something that could be guessed at.
    pub(super) const fn is_a_try(&self) -> bool {
        matches!(self, Self::Bearer(_) | Self::Unreadable)
    }
}
