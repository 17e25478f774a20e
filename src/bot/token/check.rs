//! The whole check: cheap things first, the signature last.

use std::sync::Arc;

use super::bearer::{Parts, bearer};
use super::cache::{Known, TokenCache};
use super::claims::{Claims, Header};
use super::judge;
use super::keys::{Key, KeySet};
use crate::config::TokensConfig;
use crate::model::{TokenFault, Utc};
use crate::wire::Fields;

/// What a token is bound to: what else the request says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound<'a> {
    /// An activity: the token must name its `serviceUrl`, and its key must be endorsed for its channel.
    Activity {
        /// Its `channelId`.
        channel_id: &'a str,
        /// Its `serviceUrl`.
        service_url: Option<&'a str>,
    },
    /// A connection that activities will come over: the header `channelid` says of which channel.
    Stream {
        /// What that header says.
        channel_id: Option<&'a str>,
    },
    /// Anything else: only the token itself is checked.
    Nothing,
}

impl<'a> Bound<'a> {
    /// The channel that the request says it comes from.
    const fn channel_id(self) -> Option<&'a str> {
        match self {
            Self::Activity { channel_id, .. } => Some(channel_id),
            Self::Stream { channel_id } => channel_id,
            Self::Nothing => None,
        }
    }
}

/// The keys that are known now; none of an issuer whose keys were never fetched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keys<'a> {
    /// The channel connector's.
    pub channel: Option<&'a KeySet>,
    /// Entra's.
    pub entra: Option<&'a KeySet>,
}

/// Who issues tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerKind {
    /// The channel connector.
    Channel,
    /// Microsoft Entra.
    Entra,
}

/// Who sent a request, by a token that is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A channel.
    Channel,
    /// A Bot Framework Emulator.
    Emulator,
    /// Another bot.
    Skill,
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reason.
    pub fault: TokenFault,
    /// The issuer that it names, where that is known: the one whose keys to fetch anew after [`TokenFault::UnknownKey`].
    pub issuer: Option<IssuerKind>,
}

impl From<TokenFault> for Refused {
    fn from(fault: TokenFault) -> Self {
        Self { fault, issuer: None }
    }
}

/// Checks the token of a request.
///
/// A token whose signature was verified before with a key that still stands is known by `cache`; all else is checked anew
/// each time, against this request and this moment.
///
/// # Errors
/// [`Refused`].
pub fn check(
    fields: &Fields,
    bound: Bound<'_>,
    keys: Keys<'_>,
    config: &TokensConfig,
    cache: &mut TokenCache,
    now: Utc,
) -> Result<Caller, Refused> {
    let token = bearer(fields)?;
    if let Some(known) = cache.find(token) {
        let (caller, key) = judged(&known.kid, &known.claims, bound, keys, config, now)?;
        // The set may have another key of the same name by now.
        if Arc::ptr_eq(key, &known.key) {
            return endorsed(key, caller, bound);
        }
    }
    let parts = Parts::of(token)?;
    let (header, claims) = (Header::read(&parts.header)?, Claims::read(&parts.claims)?);
    let (caller, key) = judged(&header.kid, &claims, bound, keys, config, now)?;
    if !key.verify(parts.signed, parts.signature) {
        return Err(TokenFault::Signature.into());
    }
    let key = key.clone();
    let verdict = endorsed(&key, caller, bound);
    cache.keep(token, Known { kid: header.kid, claims, key });
    verdict
}

/// All that can be said without a signature.
fn judged<'a>(
    kid: &str,
    claims: &Claims,
    bound: Bound<'_>,
    keys: Keys<'a>,
    config: &TokensConfig,
    now: Utc,
) -> Result<(Caller, &'a Arc<Key>), Refused> {
    let issuer = judge::issuer(claims, config)?;
    let caller = judge::caller(claims, issuer, config)?;
    judge::channel(caller, bound.channel_id())?;
    judge::times(claims.times, config.skew, now)?;
    if let (Caller::Channel, Bound::Activity { service_url, .. }) = (caller, bound) {
        let said = claims.serviceurl.as_deref().filter(|said| !said.is_empty());
        if said.is_none() || said != service_url {
            return Err(TokenFault::ServiceUrl.into());
        }
    }
    let published = match issuer {
        IssuerKind::Channel => keys.channel,
        IssuerKind::Entra => keys.entra,
    };
    let refused = |fault| Refused { fault, issuer: Some(issuer) };
    let published = published.ok_or(refused(TokenFault::NoKeys))?;
    let key = published.find(kid).ok_or(refused(TokenFault::UnknownKey))?;
    Ok((caller, key))
}

fn endorsed(key: &Key, caller: Caller, bound: Bound<'_>) -> Result<Caller, Refused> {
    let good = match bound {
        Bound::Activity { channel_id, .. } => key.endorses(Some(channel_id)),
        // The SDKs want the header of every stream, whatever its key is endorsed for.
        Bound::Stream { channel_id } => channel_id.is_some_and(|id| !id.trim().is_empty()) && key.endorses(channel_id),
        Bound::Nothing => true,
    };
    if good { Ok(caller) } else { Err(TokenFault::Endorsement.into()) }
}
