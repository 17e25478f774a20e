//! What a listener does beyond showing a certificate: client certificates, ciphers, stapling, HSTS.

use std::time::Duration;

use super::findings::Place;
use super::raw::RawListener;
use super::raw_tls::{RawCipherOrder, RawClientAuth, RawHsts, RawHstsTable, RawOcsp};
use super::resolve::Outside;
use super::types_tls::{CipherOrder, ClientAuthConfig, HstsConfig};
use super::values;

/// Shorter, and a browser that comes once a month is never protected.
const SHORT_HSTS: Duration = Duration::from_secs(30 * 86_400);
/// What the preload list of the browsers asks for.
const PRELOAD: Duration = Duration::from_secs(365 * 86_400);

/// What is written of a listener's TLS, checked.
#[derive(Default)]
pub(super) struct Tls {
    pub(super) client_auth: Option<ClientAuthConfig>,
    pub(super) client_header: bool,
    pub(super) cipher_order: CipherOrder,
    pub(super) ocsp_fetch: bool,
    pub(super) hsts: Option<HstsConfig>,
}

/// The TLS keys of a listener; `tls` is whether it has TLS at all.
pub(super) fn listener(place: &Place<'_>, raw: &RawListener, tls: bool, outside: &Outside<'_>) -> Tls {
    let written = [
        ("client_ca", raw.client_ca.is_some()),
        ("client_crl", raw.client_crl.is_some()),
        ("client_auth", raw.client_auth.is_some()),
        ("client_header", raw.client_header.is_some()),
        ("cipher_order", raw.cipher_order.is_some()),
        ("ocsp", raw.ocsp.is_some()),
        ("hsts", raw.hsts.is_some()),
    ];
    if !tls {
        for (key, _) in written.iter().filter(|(_, written)| *written) {
            place.key(key).error("a listener with tls = false has no use for it", "leave it out");
        }
        return Tls::default();
    }
    let client_auth = client_auth(place, raw.client_ca.as_deref(), raw.client_crl.as_deref(), raw.client_auth, outside);
    let client_header = raw.client_header.unwrap_or(false);
    if client_header && raw.client_ca.is_none() {
        place.key("client_header").error("there is no certificate to tell of", "client_ca = \"…\", or leave it out");
    }
    Tls {
        client_auth,
        client_header,
        cipher_order: match raw.cipher_order.unwrap_or_default() {
            RawCipherOrder::Fast => CipherOrder::Fast,
            RawCipherOrder::Strong => CipherOrder::Strong,
            RawCipherOrder::Client => CipherOrder::Client,
        },
        ocsp_fetch: raw.ocsp.unwrap_or_default() == RawOcsp::Fetch,
        hsts: raw.hsts.as_ref().and_then(|raw| hsts(&place.key("hsts"), raw)),
    }
}

/// Whose client certificates are accepted, by the keys `client_ca`, `client_crl` and `client_auth` of a table; none when it
/// asks for none.
pub(super) fn client_auth(
    place: &Place<'_>,
    ca: Option<&str>,
    crls: Option<&[String]>,
    auth: Option<RawClientAuth>,
    outside: &Outside<'_>,
) -> Option<ClientAuthConfig> {
    let Some(ca) = ca else {
        for (key, _) in [("client_crl", crls.is_some()), ("client_auth", auth.is_some())].iter().filter(|key| key.1) {
            // A `client_ca` that was cut out for being wrong was reported.
            if !place.key("client_ca").is_reported() {
                let hint = "client_ca = \"…\": the CA that issues the clients' certificates";
                place.key(key).error("no client certificate is asked for without a CA", hint);
            }
        }
        return None;
    };
    let ca = outside.roots(&place.key("client_ca"), ca);
    let lists = crls.unwrap_or_default().iter().enumerate();
    let lists = lists.filter_map(|(at, path)| outside.crls(&place.key("client_crl").index(at), path)).collect();
    Some(ClientAuthConfig { ca: ca?, crls: lists, required: auth.unwrap_or_default() == RawClientAuth::Require })
}

fn hsts(place: &Place<'_>, raw: &RawHsts) -> Option<HstsConfig> {
    let none = RawHstsTable { max_age: None, subdomains: None, preload: None };
    let (table, age, at) = match raw {
        RawHsts::MaxAge(age) => (&none, age, place.clone()),
        RawHsts::Table(table) => (table, table.max_age.as_ref()?, place.key("max_age")),
    };
    let max_age = at.take(values::duration(&age.0))?;
    let (subdomains, preload) = (table.subdomains.unwrap_or(false), table.preload.unwrap_or(false));
    if preload && (!subdomains || max_age < PRELOAD) {
        let hint = "subdomains = true and max_age = \"365d\" or more, or preload = false";
        place.key("preload").error("browsers do not build in a name on these terms", hint);
    } else if !max_age.is_zero() && max_age < SHORT_HSTS {
        let hint = "begin with a short one while you try it out, then \"365d\"; \"0s\" takes it back";
        at.warning(format!("{} protects nobody who comes more rarely", values::brief(max_age)), hint);
    }
    Some(HstsConfig { max_age, subdomains, preload })
}
