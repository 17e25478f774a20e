//! What a token says: the members that are looked at, with the types that they must have.

use super::members::Members;
use crate::model::TokenFault;

/// Longest name of a key, in bytes.
pub(super) const LONGEST_KID: usize = 256;

/// What the SDKs call a caller that shows no credentials.
const ANONYMOUS_SKILL: &str = "AnonymousSkill";

/// Latest time that a token may name, in seconds since 1970: the end of the year 9999, where other clocks end.
const LAST: i64 = 253_402_300_799;

/// The header of a token, as far as it is believed: only to find the key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kid: String,
}

impl Header {
    /// Reads the header of a token of the connector or of Entra.
    ///
    /// # Errors
    /// As [`Header::read_as`].
    pub(super) fn read(json: &[u8]) -> Result<Self, TokenFault> {
        Self::read_as(json, &["JWT"])
    }

    /// Reads a header whose `typ`, if it has one, is one of `types`.
    ///
    /// The algorithm is RS256, whatever the token would like, and the key is one that its issuer has published: a token that
    /// brings its own, or wants to be understood in a special way, is refused rather than read (RFC 8725, sections 3.1 and
    /// 3.10).
    ///
    /// # Errors
    /// [`TokenFault::Malformed`], [`TokenFault::Algorithm`], and [`TokenFault::UnknownKey`] where it names no key.
    pub(super) fn read_as(json: &[u8], types: &[&str]) -> Result<Self, TokenFault> {
        let members = Members::read(json)?;
        if members.text("alg")? != Some("RS256") {
            return Err(TokenFault::Algorithm);
        }
        let strange = ["crit", "b64", "jwk", "jku", "x5u", "x5c", "enc", "zip", "cty"];
        if strange.iter().any(|name| members.has(name)) {
            return Err(TokenFault::Algorithm);
        }
        if members.text("typ")?.is_some_and(|typ| types.iter().all(|one| !typ.eq_ignore_ascii_case(one))) {
            return Err(TokenFault::Malformed);
        }
        let kid = members.text("kid")?.unwrap_or_default();
        if kid.is_empty() || kid.len() > LONGEST_KID {
            return Err(TokenFault::UnknownKey);
        }
        Ok(Self { kid: kid.to_owned() })
    }
}

/// When a token may be used, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) exp: i64,
    pub(super) nbf: Option<i64>,
    pub(super) iat: Option<i64>,
}

impl Times {
    /// Reads the times of a token.
    ///
    /// # Errors
    /// [`TokenFault::Malformed`] for one of a wrong type or out of range, [`TokenFault::Expired`] where `exp` is missing.
    pub(super) fn read(members: &Members<'_>) -> Result<Self, TokenFault> {
        let time = |name: &str| match members.integer(name)? {
            Some(at) if !(0..=LAST).contains(&at) => Err(TokenFault::Malformed),
            at => Ok(at),
        };
        let (nbf, iat, exp) = (time("nbf")?, time("iat")?, time("exp")?);
        Ok(Self { exp: exp.ok_or(TokenFault::Expired)?, nbf, iat })
    }
}

/// The claims of a token that are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) aud: String,
    pub(super) times: Times,
    /// Who asked for the token: `appid` of a version 1.0 token, `azp` of a 2.0 one.
    pub(super) caller: Option<String>,
    pub(super) serviceurl: Option<String>,
    /// The tenant, in tokens of Entra.
    pub(super) tid: Option<String>,
}

impl Claims {
    /// Reads claims.
    ///
    /// # Errors
    /// [`TokenFault::Malformed`] for one of a wrong type: an `exp` in quotes, an `aud` that is a list, a `nbf` of null. SDKs
    /// differ about these; one of them refuses each. [`TokenFault::Issuer`], [`TokenFault::Audience`] and
    /// [`TokenFault::Expired`] where `iss`, `aud` or `exp` is missing.
    pub(super) fn read(json: &[u8]) -> Result<Self, TokenFault> {
        let members = Members::read(json)?;
        let own = |text: Option<&str>| text.map(str::to_owned);
        let times = Times::read(&members);
        let (appid, azp) = (members.text("appid")?, members.text("azp")?);
        let caller = match members.text("ver")? {
            Some("1.0") => appid,
            Some("2.0") => azp,
            // No token of Entra: the connector's own have no version. The SDKs take this name for a skill's all the same.
            _ => appid.filter(|caller| *caller == ANONYMOUS_SKILL),
        };
        Ok(Self {
            iss: own(members.text("iss")?).ok_or(TokenFault::Issuer)?,
            aud: own(members.text("aud")?).ok_or(TokenFault::Audience)?,
            times: times?,
            caller: own(caller),
            serviceurl: own(members.text("serviceurl")?),
            tid: own(members.text("tid")?),
        })
    }
}
