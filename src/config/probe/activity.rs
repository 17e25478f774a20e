//! What a probe of a bot means.

use std::sync::Arc;

use super::{check_path, check_pointer, statuses};
use crate::config::findings::Place;
use crate::config::parity::service_url;
use crate::config::raw_probe::{RawProbeTable, RawSign};
use crate::config::resolve::Outside;
use crate::config::types_backend::BackendConfig;
use crate::config::types_probe::{ActivityProbe, Expected, ReplyCheck, SignConfig};

/// The probe; none when it cannot be signed as written.
pub(super) fn validate(place: &Place<'_>, raw: &RawProbeTable, outside: &Outside<'_>) -> Option<ActivityProbe> {
    let path = raw.path.as_deref().unwrap_or("/api/messages");
    check_path(place, path);
    let text = |raw: &Option<String>, default: &str| raw.clone().unwrap_or_else(|| default.to_owned());
    let sign = match &raw.sign {
        Some(raw) => Some(sign(&place.key("sign"), raw, outside)?),
        None => None,
    };
    Some(ActivityProbe {
        path: path.to_owned(),
        headers: outside.headers(&place.key("headers"), raw.headers.as_ref()),
        status: statuses(place, raw),
        reply: reply(place, raw),
        text: text(&raw.text, "botgate probe"),
        channel_id: text(&raw.channel_id, "test"),
        conversation: text(&raw.conversation, "botgate-probe"),
        from: text(&raw.from, "botgate-probe"),
        recipient: text(&raw.recipient, "bot"),
        // A name that leads nowhere (RFC 2606, section 2): the reply stands in the response.
        service_url: text(&raw.service_url, "https://botgate.invalid/"),
        sign,
    })
}

fn reply(place: &Place<'_>, raw: &RawProbeTable) -> Option<ReplyCheck> {
    let expects = match (&raw.contains, &raw.equals) {
        (Some(_), Some(_)) => {
            place.key("equals").error("a probe checks its reply in one way", "keep either `contains` or `equals`");
            return None;
        }
        (Some(text), None) if text.is_empty() => {
            place.key("contains").error("every reply contains nothing", "give a text, or leave the key out");
            return None;
        }
        (Some(text), None) => Expected::Contains(text.clone()),
        (None, Some(value)) => Expected::Equals(value.clone()),
        (None, None) => {
            if raw.pointer.is_some() {
                place.key("pointer").error("nothing is expected there", "add `contains` or `equals`, or leave it out");
            }
            return None;
        }
    };
    let pointer = raw.pointer.as_deref().unwrap_or("/activities/0/text");
    check_pointer(&place.key("pointer"), pointer);
    Some(ReplyCheck { pointer: pointer.to_owned(), expects })
}

fn sign(place: &Place<'_>, raw: &RawSign, outside: &Outside<'_>) -> Option<SignConfig> {
    let at = place.key("token_url");
    let issuer = raw.token_url.as_deref().and_then(|url| at.take(service_url(url)));
    let secret = raw.client_secret.as_ref().and_then(|raw| outside.secret(&place.key("client_secret"), raw));
    let ca = raw.ca.as_ref().map(|path| outside.roots(&place.key("ca"), path));
    let (url, path) = issuer?;
    let address = url.host.parse::<std::net::IpAddr>();
    let here = url.host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    if !url.tls && !here {
        at.error("the secret would be sent in plain text", "an https URL");
    }
    if ca.is_some() && !url.tls {
        place.key("ca").error("this needs TLS, and the URL says http", "use https, or leave the key out");
    }
    if matches!(ca, Some(None)) {
        return None;
    }
    let service = BackendConfig::service("token service".into(), url, ca.flatten());
    Some(SignConfig {
        service: Arc::new(service),
        path: if path.starts_with('/') { path } else { format!("/{path}") },
        client_id: raw.client_id.clone()?,
        client_secret: secret?,
        scope: raw.scope.clone()?,
    })
}
