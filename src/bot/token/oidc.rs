//! The check of a token by which an OpenID issuer says who somebody is and what they may do (RFC 9068, RFC 7519).

use super::bearer::{LONGEST, Parts};
use super::claims::{Header, Times};
use super::judge;
use super::keys::KeySet;
use super::members::Members;
use crate::config::OidcConfig;
use crate::model::{Role, TokenFault, Utc};

/// What a header may say of its token: an access token may call itself so (RFC 9068, section 2.1).
const TYPES: [&str; 3] = ["JWT", "at+jwt", "application/at+jwt"];
/// Longest name of a caller, in bytes.
const LONGEST_ACTOR: usize = 128;

/// Whom a good token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// Their name, by the claim that the config says. Printable ASCII without spaces and brackets.
    pub actor: String,
    /// The greatest role among those that the token gives them; none when it gives none that has a meaning here.
    pub role: Option<Role>,
    /// The first moment at which the token is good no more.
    pub until: Utc,
}

/// Whether a bearer token could be one of an issuer: three parts with dots between them.
pub fn looks_like_one(token: &str) -> bool {
    token.len() <= LONGEST && token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// Checks a token of `rules`' issuer with its keys, cheap things first.
///
/// # Errors
/// What is wrong with it; [`TokenFault::UnknownKey`] asks for the keys to be fetched anew.
pub fn check_oidc(token: &str, rules: &OidcConfig, keys: Option<&KeySet>, now: Utc) -> Result<Claimant, TokenFault> {
    if token.len() > LONGEST {
        return Err(TokenFault::TooLarge);
    }
    let parts = Parts::of(token)?;
    let header = Header::read_as(&parts.header, &TYPES)?;
    let claims = Members::read(&parts.claims)?;
    if claims.text("iss")? != Some(&rules.issuer) {
        return Err(TokenFault::Issuer);
    }
    if claims.texts("aud")?.iter().all(|aud| *aud != rules.audience) {
        return Err(TokenFault::Audience);
    }
    let times = Times::read(&claims)?;
    judge::times(times, rules.skew, now)?;
    let actor = claims.text(&rules.actor_claim)?.filter(|actor| is_printable(actor)).ok_or(TokenFault::Caller)?;
    let key = keys.ok_or(TokenFault::NoKeys)?.find(&header.kid).ok_or(TokenFault::UnknownKey)?;
    if !key.verify(parts.signed, parts.signature) {
        return Err(TokenFault::Signature);
    }
    let held = claims.texts(&rules.roles_claim)?.iter().flat_map(|text| text.split(' '));
    let role = held.filter_map(|held| rules.roles.iter().find(|(name, _)| name == held)).map(|(_, role)| *role).max();
    let skew = i64::try_from(rules.skew.as_millis()).unwrap_or(i64::MAX);
    let until = Utc::from_millis(times.exp.saturating_mul(1000).saturating_add(skew));
    Ok(Claimant { actor: actor.to_owned(), role, until })
}

/// Whether the journal can show a name so that it is taken for nothing else.
fn is_printable(actor: &str) -> bool {
    let plain = |b: u8| b.is_ascii_graphic() && b != b'(' && b != b')';
    (1..=LONGEST_ACTOR).contains(&actor.len()) && actor.bytes().all(plain)
}
