//! What the issuer of operators' tokens means.

use std::time::Duration;

use super::raw::RawOidc;
use super::types::OidcConfig;
use crate::config::defaulted::span;
use crate::config::findings::Place;
use crate::config::guard_tokens::source;
use crate::config::resolve::Outside;
use crate::config::values::brief;

/// Operators' clocks are kept in step, and a token that was taken back should not live on.
const SKEW: Duration = Duration::from_secs(60);
const LONGEST_SKEW: Duration = Duration::from_secs(15 * 60);

/// The issuer; none when something that it needs is missing or wrong.
pub(super) fn validate(place: &Place<'_>, raw: &RawOidc, outside: &Outside<'_>) -> Option<OidcConfig> {
    let ca = raw.ca.as_ref().and_then(|path| outside.roots(&place.key("ca"), path));
    for (key, value) in [("issuer", &raw.issuer), ("audience", &raw.audience)] {
        if value.as_ref().is_some_and(|value| value.is_empty() || !value.bytes().all(|b| b.is_ascii_graphic())) {
            place.key(key).error(format!("this is no {key}"), "as its tokens write it, without spaces");
        }
    }
    let keys = match (&raw.metadata, &raw.issuer) {
        (Some(metadata), _) => place.key("metadata").take(source(metadata, ca)),
        (None, Some(issuer)) => {
            // OpenID Connect Discovery 1.0, section 4.
            let metadata = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
            place.key("issuer").take(source(&metadata, ca))
        }
        (None, None) => None,
    };
    if raw.ca.is_some() && keys.as_ref().is_some_and(|keys| !keys.service.url.tls) {
        place.key("ca").error("this needs TLS, and the URL says http", "use https, or leave the key out");
    }
    if raw.roles.as_ref().is_some_and(std::collections::BTreeMap::is_empty) {
        let hint = "roles = { \"Botgate.Operator\" = \"operator\" }";
        place.key("roles").error("no token could do anything: no role has a meaning here", hint);
    }
    let claim = |key: &str, written: Option<&String>, default: &str| {
        let name = written.map_or(default, String::as_str);
        if name.is_empty() || name.chars().any(char::is_control) {
            place.key(key).error("this is no name of a claim", format!("{default:?} is the default"));
        }
        name.to_owned()
    };
    let roles_claim = claim("roles_claim", raw.roles_claim.as_ref(), "roles");
    let actor_claim = claim("actor_claim", raw.actor_claim.as_ref(), "sub");
    let skew = span(&place.key("skew"), raw.skew.as_ref(), SKEW);
    if skew > LONGEST_SKEW {
        place.key("skew").error(format!("{} is out of range", brief(skew)), "at most \"15m\"; the default is \"1m\"");
    }
    let roles = raw.roles.clone()?.into_iter().collect();
    let (issuer, audience) = (raw.issuer.clone()?, raw.audience.clone()?);
    Some(OidcConfig { issuer, audience, keys: keys?, roles, roles_claim, actor_claim, skew })
}
