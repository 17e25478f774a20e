//! What the keys mean by which a question-answering service is asked in its own region.

use http::{HeaderName, HeaderValue, header};

use super::findings::{Place, fault};
use super::raw_pool::RawBackend;
use super::resolve::Outside;
use super::types_backend::QuestionConfig;
use crate::model::PoolKind;

const SUBSCRIPTION_KEY: HeaderName = HeaderName::from_static("ocp-apim-subscription-key");

/// The identity of a backend. Its key joins `headers`, in both spellings: the SDKs send both, and each service reads its own.
pub(super) fn validate(
    place: &Place<'_>,
    raw: &RawBackend,
    headers: &mut Vec<(HeaderName, HeaderValue)>,
    outside: &Outside<'_>,
) -> QuestionConfig {
    let id = |name: &str, raw: &Option<String>| {
        let text = raw.as_ref()?;
        let good = !text.trim().is_empty() && text != "." && text != ".." && !text.chars().any(char::is_control);
        let checked = good.then(|| text.clone()).ok_or_else(|| {
            fault(format!("{text:?} names nothing"), "as the portal shows it; botgate escapes what a URL cannot hold")
        });
        place.key(name).take(checked)
    };
    let key = raw.key.as_ref().and_then(|raw| outside.secret(&place.key("key"), raw));
    if let Some(key) = &key {
        carry(place, key, headers);
    }
    QuestionConfig {
        kb: id("kb", &raw.kb),
        project: id("project", &raw.project),
        deployment: id("deployment", &raw.deployment),
        keyed: key.is_some(),
    }
}

/// Adds a key to the headers of its backend.
fn carry(place: &Place<'_>, key: &str, headers: &mut Vec<(HeaderName, HeaderValue)>) {
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        place.key("key").error("the key cannot be sent in a header", "ASCII without spaces and line breaks");
        return;
    }
    for (name, value) in [(header::AUTHORIZATION, format!("EndpointKey {key}")), (SUBSCRIPTION_KEY, key.to_owned())] {
        if headers.iter().any(|(known, _)| *known == name) {
            let hint = format!("leave {name} out of `headers`, or `key` out of the backend");
            place.key("key").error(format!("`headers` has {name} already, and a key is sent in it"), hint);
            continue;
        }
        let Ok(mut value) = HeaderValue::try_from(value) else { continue };
        value.set_sensitive(true);
        headers.push((name, value));
    }
}

/// Warns of keys where bots want the token of their channel, and of backends that lack what others of their pool have: a
/// failover to them would ask with the client's own.
pub(super) fn doubts(pool: &Place<'_>, kind: PoolKind, backends: &[RawBackend]) {
    for (index, _) in backends.iter().enumerate().filter(|(_, it)| kind == PoolKind::Bot && it.key.is_some()) {
        let place = pool.key("backend").index(index).key("key");
        let hint = "leave `key` out: it is for question answering";
        place.warning("a bot would be sent this key in place of its channel's token, and refuse it", hint);
    }
    type Has = fn(&RawBackend) -> bool;
    let named: [(&str, &str, Has); 4] = [
        ("key", "what it is sent to prove who asks is the client's own credential", |it| it.key.is_some()),
        ("kb", "QnA Maker's requests name the client's knowledge base there", |it| it.kb.is_some()),
        ("project", "custom question answering's requests name the client's project there", |it| it.project.is_some()),
        ("deployment", "custom question answering's requests name the client's deployment there", |it| {
            it.deployment.is_some()
        }),
    ];
    for (key, why, has) in named {
        let Some(with) = backends.iter().find(|backend| has(backend)).and_then(|backend| backend.name.as_deref())
        else {
            continue;
        };
        for (index, backend) in backends.iter().enumerate().filter(|(_, backend)| !has(backend)) {
            let place = pool.key("backend").index(index).key(key);
            let name = backend.name.as_deref().unwrap_or_default();
            // What is wrong there was cut out, and reported.
            if !place.is_reported() && !place.is_reported_below() {
                place.warning(
                    format!("{name:?} has no `{key}`, and {with:?} has one: {why}"),
                    format!("give it a `{key}` too"),
                );
            }
        }
    }
}
