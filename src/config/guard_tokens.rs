//! Whose tokens a guard accepts: the clouds' issuers, and what a config says instead.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::address;
use super::defaulted::span;
use super::findings::{Fault, Place, fault};
use super::raw_guard::{RawCloud, RawGuardTable};
use super::resolve::Outside;
use super::types_backend::{BackendConfig, BackendUrl};
use super::types_tokens::{KeySourceConfig, TokenIssuer, TokensConfig};
use super::values::brief;
use crate::model::TokenMode;

/// The connector's documentation: an issuer's clock may be five minutes off.
const SKEW: Duration = Duration::from_secs(5 * 60);
const LONGEST_SKEW: Duration = Duration::from_secs(15 * 60);

/// The issuers of a cloud.
struct Cloud {
    issuer: &'static str,
    metadata: &'static str,
    entra_metadata: &'static str,
    /// What the issuers of a tenant begin with: version 1.0 ends in `{tenant}/`, version 2.0 in `{tenant}/v2.0`.
    entra: [&'static str; 2],
    /// The Bot Framework's own tenants.
    tenants: &'static [&'static str],
}

/// From the connector's documentation, and the authentication constants of the SDKs.
const fn cloud(cloud: RawCloud) -> Cloud {
    match cloud {
        RawCloud::Public => Cloud {
            issuer: "https://api.botframework.com",
            metadata: "https://login.botframework.com/v1/.well-known/openidconfiguration",
            entra_metadata: "https://login.microsoftonline.com/botframework.com/v2.0/.well-known/openid-configuration",
            entra: ["https://sts.windows.net/", "https://login.microsoftonline.com/"],
            tenants: &["d6d49420-f39b-4df7-a1dc-d59a935871db", "f8cdef31-a31e-4b4a-93e4-5f571e91255a"],
        },
        RawCloud::UsGov => Cloud {
            issuer: "https://api.botframework.us",
            metadata: "https://login.botframework.azure.us/v1/.well-known/openidconfiguration",
            entra_metadata: "https://login.microsoftonline.us/cab8a31a-1906-4287-a0d8-4eef66b95f6e/v2.0/.well-known/openid-configuration",
            entra: ["https://sts.windows.net/", "https://login.microsoftonline.us/"],
            tenants: &["cab8a31a-1906-4287-a0d8-4eef66b95f6e"],
        },
        RawCloud::China => Cloud {
            issuer: "https://api.botframework.azure.cn",
            metadata: "https://login.botframework.azure.cn/v1/.well-known/openidconfiguration",
            entra_metadata: "https://login.partner.microsoftonline.cn/a55a4d5b-9241-49b1-b4ff-befa8db00269/v2.0/.well-known/openid-configuration",
            entra: ["https://sts.chinacloudapi.cn/", "https://login.partner.microsoftonline.cn/"],
            tenants: &["a55a4d5b-9241-49b1-b4ff-befa8db00269"],
        },
    }
}

/// The token check of a guard; none is off.
pub(super) fn validate(place: &Place<'_>, raw: &RawGuardTable, outside: &Outside<'_>) -> Option<TokensConfig> {
    let app_ids = names(&place.key("app_ids"), raw.app_ids.as_deref());
    let mode = match raw.tokens {
        // An empty list, or one that is none, was reported: it is no wish to ask for no token.
        None if raw.app_ids.is_none() && place.key("app_ids").is_reported() => return None,
        None if raw.app_ids.is_none() => {
            let hint = "app_ids = [\"…\"] in [route.guard], or tokens = \"off\" if that is as it should be";
            place.warning("anybody can send activities to the bot: no token is asked for", hint);
            return None;
        }
        None => TokenMode::Enforce,
        Some(TokenMode::Off) => return None,
        Some(mode) => {
            if raw.app_ids.is_none() {
                let hint = "app_ids = [\"…\"]: the App ID of the Bot Registration, the same in all regions";
                place.key("app_ids").absent("tokens are issued for an App ID, and none is given", hint);
            }
            mode
        }
    };
    let cloud = cloud(raw.cloud.unwrap_or_default());
    if let (Some(ca), None, None) = (&raw.ca, &raw.metadata, &raw.entra_metadata) {
        let hint = "metadata = \"https://…\", or leave the key out";
        place.key("ca").error(format!("{ca:?} would be trusted for nothing"), hint);
    }
    let ca = raw.ca.as_ref().and_then(|path| outside.roots(&place.key("ca"), path));
    if raw.issuer.is_some() && raw.metadata.is_none() {
        let hint = "metadata = \"https://…\": where that issuer publishes its keys";
        place.key("issuer").warning("its tokens would be verified by the keys of the cloud's connector", hint);
    }
    let keys = |key: &str, written: Option<&String>, default: &str| match written {
        Some(written) => place.key(key).take(source(written, ca.clone())),
        None => source(default, None).ok(),
    };
    let issuer = raw.issuer.clone().unwrap_or_else(|| cloud.issuer.to_owned());
    if issuer.is_empty() || !issuer.bytes().all(|b| b.is_ascii_graphic()) {
        place
            .key("issuer")
            .error("this is no issuer", "the `iss` of its tokens, exactly: \"https://issuer.contoso.com\"");
    }
    let channel = keys("metadata", raw.metadata.as_ref(), cloud.metadata);
    let (emulator, skills) = (raw.emulator.unwrap_or(false), names(&place.key("skills"), raw.skills.as_deref()));
    let tenants = names(&place.key("tenants"), raw.tenants.as_deref());
    let wanted = emulator || !skills.is_empty();
    for (key, given) in [("tenants", !tenants.is_empty()), ("entra_metadata", raw.entra_metadata.is_some())] {
        if given && !wanted {
            let hint = "emulator = true, skills = [\"…\"], or leave the key out";
            place
                .key(key)
                .error("tokens of Entra are accepted from emulators and skills only, and neither is on", hint);
        }
    }
    let entra = keys("entra_metadata", raw.entra_metadata.as_ref(), cloud.entra_metadata).filter(|_| wanted);
    let own = [(&raw.metadata, &channel), (&raw.entra_metadata, &entra)];
    let mut own = own.iter().filter_map(|(raw, keys)| raw.as_ref().and(keys.as_ref())).peekable();
    if ca.is_some() && own.peek().is_some() && own.all(|keys| !keys.service.url.tls) {
        place.key("ca").error("this needs TLS, and the URL says http", "use https, or leave the key out");
    }
    for (at, skill) in skills.iter().enumerate().filter(|(_, skill)| app_ids.contains(skill)) {
        let hint = "skills are other bots; emulator = true accepts the bot's own App ID";
        place.key("skills").index(at).warning(format!("{skill} is this bot's own App ID, and no skill's"), hint);
    }
    let entra = entra.map(|keys| TokenIssuer { names: issuers(&cloud, &tenants), keys });
    let skew = span(&place.key("skew"), raw.skew.as_ref(), SKEW);
    if skew > LONGEST_SKEW {
        place.key("skew").error(format!("{} is out of range", brief(skew)), "at most \"15m\"; the default is \"5m\"");
    }
    let channel = TokenIssuer { names: vec![issuer], keys: channel? };
    Some(TokensConfig { mode, app_ids, channel, entra, emulator, skills, skew })
}

/// The names of Entra for the Bot Framework's tenants and these.
fn issuers(cloud: &Cloud, tenants: &[String]) -> Vec<String> {
    let tenants = cloud.tenants.iter().copied().chain(tenants.iter().map(String::as_str));
    let [v1, v2] = cloud.entra;
    tenants.flat_map(|tenant| [format!("{v1}{tenant}/"), format!("{v2}{tenant}/v2.0")]).collect()
}

/// App IDs and tenants: GUIDs as a rule, compared exactly.
fn names(place: &Place<'_>, written: Option<&[String]>) -> Vec<String> {
    let name = |(at, text): (usize, &String)| {
        let good = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        let hint = "as tokens write it: \"00000000-0000-0000-0000-000000000000\"";
        if !good {
            place.index(at).error(format!("{text:?} is no id"), hint);
        } else if text.len() == 36 && text.bytes().any(|b| b.is_ascii_uppercase()) {
            place.index(at).error("tokens write ids in lower case, and ids are compared exactly", hint);
        }
        text.clone()
    };
    written.iter().copied().flatten().enumerate().map(name).collect()
}

/// A place that publishes keys.
pub(super) fn source(text: &str, ca: Option<PathBuf>) -> Result<KeySourceConfig, Fault> {
    const HINT: &str = "\"https://host/.well-known/openid-configuration\"";
    let url = address::backend_url(text).map_err(|Fault { message, .. }| fault(message, HINT))?;
    if !url.tls && !is_this_machine(&url.host) {
        return Err(fault(
            "who can change the keys on their way can forge tokens: http is for this machine only",
            HINT,
        ));
    }
    // As written: a slash at its end may be what tells it from a redirect.
    let path = text.parse().map_or_else(|_| "/".to_owned(), |uri: http::Uri| uri.path().to_owned());
    let url = BackendUrl { base_path: String::new(), ..url };
    Ok(KeySourceConfig { service: Arc::new(service(url, ca)), path })
}

/// Whether a host is this machine by its very name.
fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn service(url: BackendUrl, ca: Option<PathBuf>) -> BackendConfig {
    let ca = ca.filter(|_| url.tls);
    BackendConfig::service(url.host.as_str().into(), url, ca)
}

impl KeySourceConfig {
    /// The place that metadata names as that of the keys (`jwks_uri`): https, wherever that is, or http on this machine when
    /// the metadata itself came so.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn beside(&self, uri: &str) -> Result<Self, String> {
        let (path, query) = uri.split_once('?').map_or((uri, None), |(path, query)| (path, Some(query)));
        let mut keys = source(path, self.service.ca.clone()).map_err(|fault| format!("jwks_uri: {}", fault.message))?;
        if self.service.url.tls && !keys.service.url.tls {
            return Err("jwks_uri: the metadata came by https, its keys must too".to_owned());
        }
        if let Some(query) = query {
            if !query.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
                return Err("jwks_uri: its query is none".to_owned());
            }
            keys.path = format!("{}?{query}", keys.path);
        }
        Ok(keys)
    }
}
