//! Who may ask, and what they may do: the rules of one config, and how a credential is judged by them.

use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::actor::{Proof, Proven};
use super::credential::Credential;
use super::tls::Tls;
use crate::bot::token::{check_oidc, looks_like_one};
use crate::config::{AdminClient, AdminConfig, ClientName, OidcConfig};
use crate::control::OperatorKeys;
use crate::model::{Role, TokenFault, Utc};
use crate::pki::Identity;

/// Why the admin listener cannot go by a config.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Anyone on the network could command it.
    #[error(
        "the admin API would be open to the network: it listens on {0}, which is not a loopback address, and nobody would \
         have to prove who they are; set [admin] token, or bind to 127.0.0.1"
    )]
    Open(IpAddr),
    /// Tokens would pass a network in plain.
    #[error(
        "the admin API listens on {0}, which is not a loopback address, without TLS: set [admin] certificates, or tls = \
         false if that is what you want"
    )]
    Plain(IpAddr),
    /// Its TLS cannot be set up.
    #[error("admin: {0}")]
    Tls(String),
}

/// Why a credential is not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// There is none.
    Unproven,
    /// It proves nothing; the fault is for botgate's own log.
    Wrong(Option<TokenFault>),
    /// It proves who asks, and that they may do nothing here.
    NoRole,
    /// Nobody can tell now: the issuer's keys are not known.
    NoKeys,
}

/// The rules of the admin listener. Immutable; a reload makes new ones.
pub(super) struct Access {
    /// The address that is bound, whatever a later config would like.
    pub(super) bind: IpAddr,
    /// The names that it is asked by; empty: as the kind of caller wants it.
    pub(super) hosts: Vec<String>,
    /// TLS; none is plain HTTP.
    pub(super) tls: Option<Tls>,
    /// SHA-256 of each token: as long as any other, and of no use to who reads this memory.
    tokens: Vec<([u8; 32], Proof, Role)>,
    clients: Vec<AdminClient>,
    oidc: Option<OidcConfig>,
    wants_proof: bool,
}

impl Access {
    /// The rules of `config` for a listener on `bind`, with the files that it names.
    ///
    /// # Errors
    /// [`AccessError`]. Config validation refuses what is open or plain first; but only a restart can move the listener, so
    /// what it allows for a new address may be wrong for the one that is bound.
    pub(super) fn new(config: &AdminConfig, bind: IpAddr) -> Result<Self, AccessError> {
        let bind = bind.to_canonical();
        // An empty token would be matched by an empty one: it is none.
        let unnamed = config.token.as_deref().filter(|token| !token.is_empty());
        let unnamed = unnamed.map(|token| (hash(token), Proof::Token, Role::Operator));
        let named = config.tokens.iter().filter(|token| !token.token.is_empty());
        let named = named.map(|token| (hash(&token.token), Proof::Named(token.name.clone()), token.role));
        let tokens: Vec<_> = unnamed.into_iter().chain(named).collect();
        let clients = config.tls.as_ref().map(|tls| tls.clients.clone()).unwrap_or_default();
        let wants_proof = !tokens.is_empty() || !clients.is_empty() || config.oidc.is_some();
        if !bind.is_loopback() && !wants_proof {
            return Err(AccessError::Open(bind));
        }
        if !bind.is_loopback() && config.tls.is_none() && !config.plain {
            return Err(AccessError::Plain(bind));
        }
        let tls = config.tls.as_ref().map(Tls::load).transpose().map_err(AccessError::Tls)?;
        let (hosts, oidc) = (config.hosts.clone(), config.oidc.clone());
        Ok(Self { bind, hosts, tls, tokens, clients, oidc, wants_proof })
    }

    /// Whether callers must prove who they are. Where not, whoever reaches the listener is an operator.
    pub(super) const fn wants_proof(&self) -> bool {
        self.wants_proof
    }

    /// Whether a connection that began under these rules could have begun under `next` just so.
    pub(super) fn admits_connections_of(&self, next: &Self) -> bool {
        match (&self.tls, &next.tls) {
            (None, None) => true,
            (Some(one), Some(other)) => one.is_same(other),
            _ => false,
        }
    }

    /// Who shows this credential, and what they may do.
    ///
    /// # Errors
    /// [`Denied`].
    pub(super) fn judge(
        &self,
        credential: &Credential,
        keys: Option<&OperatorKeys>,
        now: Utc,
    ) -> Result<Proven, Denied> {
        if !self.wants_proof {
            return Ok(Proven { proof: Proof::Local, role: Role::Operator, until: None });
        }
        match credential {
            Credential::None => Err(Denied::Unproven),
            Credential::Unreadable => Err(Denied::Wrong(None)),
            Credential::Bearer(token) => match (self.known(token), &self.oidc) {
                (Some(proven), _) => Ok(proven),
                (None, Some(oidc)) if looks_like_one(token) => claimed(token, oidc, keys, now),
                (None, _) => Err(Denied::Wrong(None)),
            },
            Credential::Certificate(shown) => {
                let until = Utc::from_millis(shown.identity.not_after.saturating_mul(1000));
                if now >= until || !self.tls.as_ref().is_some_and(|tls| tls.still_believes(shown)) {
                    return Err(Denied::Wrong(None));
                }
                let client = self.clients.iter().find(|client| bears(&shown.identity, &client.name));
                let client = client.ok_or(Denied::NoRole)?;
                let proof = Proof::Certificate(client.name.to_string());
                Ok(Proven { proof, role: client.role, until: Some(until) })
            }
        }
    }

    /// Whose token this is. Compares with all of them, in a time that tells neither which one it is nor how much of it is
    /// right.
    fn known(&self, token: &str) -> Option<Proven> {
        let given = hash(token);
        let mut found = u64::MAX;
        for (at, (known, ..)) in (0_u64..).zip(&self.tokens) {
            let same: Choice = known.ct_eq(&given);
            found.conditional_assign(&at, same);
        }
        let (_, proof, role) = self.tokens.get(usize::try_from(found).ok()?)?;
        Some(Proven { proof: proof.clone(), role: *role, until: None })
    }
}

/// Whether a certificate bears this name, where the config says it does.
fn bears(identity: &Identity, name: &ClientName) -> bool {
    match name {
        ClientName::CommonName(name) => identity.common_name.as_ref() == Some(name),
        ClientName::Dns(name) => identity.dns.contains(name),
        ClientName::Email(name) => identity.emails.contains(name),
        ClientName::Uri(name) => identity.uris.contains(name),
    }
}

/// Whom a token of the issuer speaks for.
fn claimed(token: &str, oidc: &OidcConfig, keys: Option<&OperatorKeys>, now: Utc) -> Result<Proven, Denied> {
    // Keys of another place are none: a reload may have changed the issuer a moment ago.
    let published = keys.filter(|keys| keys.source == oidc.keys).map(|keys| &keys.published);
    let set = published.and_then(|published| published.set.as_deref());
    match check_oidc(token, oidc, set, now) {
        Ok(claimant) => {
            let role = claimant.role.ok_or(Denied::NoRole)?;
            Ok(Proven { proof: Proof::Oidc(claimant.actor), role, until: Some(claimant.until) })
        }
        Err(TokenFault::NoKeys) => Err(Denied::NoKeys),
        Err(fault) => {
            if let (TokenFault::UnknownKey, Some(published)) = (fault, published) {
                published.missed.say();
            }
            Err(Denied::Wrong(Some(fault)))
        }
    }
}

fn hash(token: &str) -> [u8; 32] {
    let digest = digest(&SHA256, token.as_bytes());
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AdminToken;

    fn config(tokens: &[(&str, Role, &str)]) -> AdminConfig {
        let token = |(name, role, token): &(&str, Role, &str)| AdminToken {
            name: (*name).to_owned(),
            role: *role,
            token: (*token).to_owned(),
        };
        AdminConfig {
            tokens: tokens.iter().map(token).collect(),
            plain: true,
            ..AdminConfig::open("127.0.0.1:9443".parse().unwrap())
        }
    }

    fn judged(access: &Access, token: &str) -> Result<(String, Role), Denied> {
        let proven = access.judge(&Credential::Bearer(token.into()), None, Utc::from_millis(0))?;
        Ok((proven.proof.to_string(), proven.role))
    }

    #[test]
    fn a_token_is_found_by_all_of_it_and_brings_its_role() {
        let config = config(&[("ci", Role::Operator, "aaaa"), ("wall", Role::Viewer, "aaab")]);
        let config = AdminConfig { token: Some("aaac".into()), ..config };
        let access = Access::new(&config, config.bind.ip()).unwrap();
        assert_eq!(judged(&access, "aaaa"), Ok(("token:ci".into(), Role::Operator)));
        assert_eq!(judged(&access, "aaab"), Ok(("token:wall".into(), Role::Viewer)));
        assert_eq!(judged(&access, "aaac"), Ok(("admin-token".into(), Role::Operator)));
        for wrong in ["", "a", "aaa", "aaad", "aaaaa", "a.b.c"] {
            assert_eq!(judged(&access, wrong), Err(Denied::Wrong(None)), "{wrong}");
        }
        assert_eq!(access.judge(&Credential::None, None, Utc::from_millis(0)), Err(Denied::Unproven));
    }

    #[test]
    fn an_open_network_without_a_proof_or_without_tls_is_refused_at_construction() {
        let bind = "0.0.0.0".parse().unwrap();
        let empty = AdminConfig { token: Some(String::new()), ..config(&[]) };
        assert!(matches!(Access::new(&config(&[]), bind), Err(AccessError::Open(_))));
        assert!(matches!(Access::new(&empty, bind), Err(AccessError::Open(_))));
        let plain = config(&[("ci", Role::Operator, "aaaa")]);
        assert!(Access::new(&plain, bind).is_ok());
        let unasked = AdminConfig { plain: false, ..plain };
        assert!(matches!(Access::new(&unasked, bind), Err(AccessError::Plain(_))));
        assert!(Access::new(&unasked, "127.0.0.1".parse().unwrap()).is_ok());
    }
}
