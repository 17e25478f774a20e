//! What a token must say to be accepted, before its signature is looked at: issuer, audience, caller, times.

use std::time::Duration;

use super::check::{Caller, IssuerKind};
use super::claims::{Claims, Times};
use crate::config::TokensConfig;
use crate::model::{TokenFault, Utc};

/// The `channelId` of the Direct Line App Service extension.
const APP_SERVICE: &str = "AseChannel";

/// Who issued the token, by its own word.
pub(super) fn issuer(claims: &Claims, config: &TokensConfig) -> Result<IssuerKind, TokenFault> {
    let names = |all: &[String]| all.contains(&claims.iss);
    match &config.entra {
        _ if names(&config.channel.names) => Ok(IssuerKind::Channel),
        Some(entra) if names(&entra.names) && is_of_its_tenant(claims) => Ok(IssuerKind::Entra),
        _ => Err(TokenFault::Issuer),
    }
}

/// Whether a token of Entra is of the tenant in its issuer's name: Entra's keys are those of all tenants.
fn is_of_its_tenant(claims: &Claims) -> bool {
    let names = |tid: &String| !tid.is_empty() && claims.iss.split('/').any(|part| part.eq_ignore_ascii_case(tid));
    claims.tid.as_ref().is_none_or(names)
}

/// For whom it was issued, and at whose request.
pub(super) fn caller(claims: &Claims, issuer: IssuerKind, config: &TokensConfig) -> Result<Caller, TokenFault> {
    if !config.app_ids.contains(&claims.aud) {
        return Err(TokenFault::Audience);
    }
    match (issuer, &claims.caller) {
        (IssuerKind::Channel, None) => Ok(Caller::Channel),
        // The SDKs take what names another caller for a token of a skill, which the connector does not issue.
        (IssuerKind::Channel, Some(caller)) if *caller == claims.aud => Ok(Caller::Channel),
        (IssuerKind::Channel, Some(_)) => Err(TokenFault::Issuer),
        (IssuerKind::Entra, Some(caller)) if *caller == claims.aud && config.emulator => Ok(Caller::Emulator),
        (IssuerKind::Entra, Some(caller)) if *caller != claims.aud && config.skills.contains(caller) => {
            Ok(Caller::Skill)
        }
        (IssuerKind::Entra, _) => Err(TokenFault::Caller),
    }
}

/// Whether such a caller may speak for this channel: that of an App Service extension shows a token of Entra that was asked
/// for with the bot's own App ID, and the SDKs refuse any other there.
pub(super) fn channel(caller: Caller, channel_id: Option<&str>) -> Result<(), TokenFault> {
    match caller {
        Caller::Channel if channel_id == Some(APP_SERVICE) => Err(TokenFault::Issuer),
        Caller::Skill if channel_id == Some(APP_SERVICE) => Err(TokenFault::Caller),
        Caller::Channel | Caller::Skill | Caller::Emulator => Ok(()),
    }
}

/// When it may be used: the last moment is the one before `exp` + skew, the first one is `nbf` - skew.
pub(super) fn times(times: Times, skew: Duration, now: Utc) -> Result<(), TokenFault> {
    let skew = i64::try_from(skew.as_millis()).unwrap_or(i64::MAX);
    let (now, millis) = (now.millis(), |seconds: i64| seconds.saturating_mul(1000));
    if now >= millis(times.exp).saturating_add(skew) {
        return Err(TokenFault::Expired);
    }
    // An `iat` to come is a clock that is wrong, or a token made up; `nbf` after `exp` is never valid.
    let begins = [times.nbf, times.iat].into_iter().flatten().max();
    let early = begins.is_some_and(|begins| millis(begins) > now.saturating_add(skew));
    if early || times.nbf.is_some_and(|nbf| nbf > times.exp) { Err(TokenFault::TooEarly) } else { Ok(()) }
}
