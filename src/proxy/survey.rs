//! One look at the fields of a head, in place of a search for each name that matters: few of them are there.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};

use super::headers::{
    BOTGATE_ATTEMPT, BOTGATE_EPOCH, BOTGATE_PROBE, BOTGATE_RESEND, CLIENT_CERT, CLIENT_CERT_CHAIN, HTTP2_SETTINGS,
    IDEMPOTENCY_KEY, KEEP_ALIVE, PROXY_CONNECTION, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT,
    X_FORWARDED_PROTO, X_REQUEST_ID,
};

/// A field that the data plane acts on. Its number is its bit in a [`Survey`], and its place in [`NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Field {
    Connection,
    KeepAlive,
    ProxyConnection,
    ProxyAuthenticate,
    Te,
    TransferEncoding,
    Upgrade,
    Http2Settings,
    Expect,
    ProxyAuthorization,
    BotgateAttempt,
    BotgateEpoch,
    BotgateResend,
    BotgateProbe,
    ClientCert,
    ClientCertChain,
    Forwarded,
    XForwardedFor,
    XForwardedHost,
    XForwardedPort,
    XForwardedProto,
    Host,
    ContentLength,
    Cookie,
    IdempotencyKey,
    XRequestId,
}

/// The names, as [`Field`] numbers them.
const NAMES: [HeaderName; 26] = [
    header::CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HTTP2_SETTINGS,
    header::EXPECT,
    header::PROXY_AUTHORIZATION,
    BOTGATE_ATTEMPT,
    BOTGATE_EPOCH,
    BOTGATE_RESEND,
    BOTGATE_PROBE,
    CLIENT_CERT,
    CLIENT_CERT_CHAIN,
    header::FORWARDED,
    X_FORWARDED_FOR,
    X_FORWARDED_HOST,
    X_FORWARDED_PORT,
    X_FORWARDED_PROTO,
    header::HOST,
    header::CONTENT_LENGTH,
    header::COOKIE,
    IDEMPOTENCY_KEY,
    X_REQUEST_ID,
];

/// Some name with an underscore in it.
const UNDERSCORE: u32 = 1 << 31;

/// Some of the fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields(u32);

impl Fields {
    /// These.
    pub(super) const fn of(fields: &[Field]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < fields.len() {
            bits |= 1 << fields[at] as u8;
            at += 1;
        }
        Self(bits)
    }
}

/// Which fields a head has. It stays true of those that are neither added nor removed later.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Survey {
    seen: u32,
    repeated: u32,
}

impl Survey {
    /// Looks at every line of a head once.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut survey = Self::default();
        if headers.len() == headers.keys_len() {
            headers.keys().for_each(|name| survey.note(name.as_str()));
        } else {
            headers.iter().for_each(|(name, _)| survey.note(name.as_str()));
        }
        survey
    }

    fn note(&mut self, name: &str) {
        let bit = match field(name) {
            Some(field) => 1 << field as u8,
            // Every byte, whatever the first ones are: that is faster for what is as short as a name.
            None if name.bytes().fold(false, |found, byte| found | (byte == b'_')) => UNDERSCORE,
            None => return,
        };
        self.repeated |= self.seen & bit;
        self.seen |= bit;
    }

    /// Whether it is there.
    pub(super) const fn has(self, field: Field) -> bool {
        self.seen & (1 << field as u8) != 0
    }

    /// Whether it is there more than once.
    pub(super) const fn repeats(self, field: Field) -> bool {
        self.repeated & (1 << field as u8) != 0
    }

    /// Whether one of them is there.
    pub(super) const fn has_any(self, fields: Fields) -> bool {
        self.seen & fields.0 != 0
    }

    /// Whether a name has an underscore in it, which some servers read as a hyphen.
    pub(super) const fn has_underscore(self) -> bool {
        self.seen & UNDERSCORE != 0
    }

    /// Its value, the first if there are several; not looked for where it is not there.
    pub(super) fn get(self, field: Field, headers: &HeaderMap) -> Option<&HeaderValue> {
        if self.has(field) { headers.get(&NAMES[field as usize]) } else { None }
    }

    /// Removes those of these that are there.
    pub(super) fn remove(self, fields: Fields, headers: &mut HeaderMap) {
        let mut left = self.seen & fields.0;
        while left != 0 {
            if let Some(name) = NAMES.get(left.trailing_zeros() as usize) {
                headers.remove(name);
            }
            left &= left - 1;
        }
    }
}

/// Which field has this name (lower case). Told by its length first: few have the same.
fn field(name: &str) -> Option<Field> {
    let field = match name.len() {
        2 if name == "te" => Field::Te,
        4 if name == "host" => Field::Host,
        6 => match name {
            "cookie" => Field::Cookie,
            "expect" => Field::Expect,
            _ => return None,
        },
        7 if name == "upgrade" => Field::Upgrade,
        9 if name == "forwarded" => Field::Forwarded,
        10 => match name {
            "connection" => Field::Connection,
            "keep-alive" => Field::KeepAlive,
            _ => return None,
        },
        11 if name == "client-cert" => Field::ClientCert,
        12 if name == "x-request-id" => Field::XRequestId,
        13 => match name {
            "botgate-epoch" => Field::BotgateEpoch,
            "botgate-probe" => Field::BotgateProbe,
            _ => return None,
        },
        14 => match name {
            "content-length" => Field::ContentLength,
            "http2-settings" => Field::Http2Settings,
            "botgate-resend" => Field::BotgateResend,
            _ => return None,
        },
        15 => match name {
            "x-forwarded-for" => Field::XForwardedFor,
            "idempotency-key" => Field::IdempotencyKey,
            "botgate-attempt" => Field::BotgateAttempt,
            _ => return None,
        },
        16 => match name {
            "x-forwarded-host" => Field::XForwardedHost,
            "x-forwarded-port" => Field::XForwardedPort,
            "proxy-connection" => Field::ProxyConnection,
            _ => return None,
        },
        17 => match name {
            "transfer-encoding" => Field::TransferEncoding,
            "x-forwarded-proto" => Field::XForwardedProto,
            "client-cert-chain" => Field::ClientCertChain,
            _ => return None,
        },
        18 if name == "proxy-authenticate" => Field::ProxyAuthenticate,
        19 if name == "proxy-authorization" => Field::ProxyAuthorization,
        _ => return None,
    };
    Some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_by_its_own_number() {
        for (at, name) in NAMES.iter().enumerate() {
            assert_eq!(field(name.as_str()).map(|field| field as usize), Some(at), "{name}");
        }
        for other in ["", "hosts", "content-type", "authorization", "x_request_id", "x-forwarded", "tee"] {
            assert_eq!(field(other), None, "{other}");
        }
    }

    #[test]
    fn a_head_is_seen_as_it_is() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("host", "a"), ("cookie", "a=1"), ("accept", "*/*"), ("cookie", "b=2")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let survey = Survey::of(&headers);
        assert!(survey.has(Field::Host) && survey.repeats(Field::Cookie) && !survey.repeats(Field::Host));
        assert!(!survey.has(Field::Expect) && !survey.has_underscore());
        assert_eq!(survey.get(Field::Host, &headers).unwrap(), "a");
        assert!(survey.get(Field::Te, &headers).is_none());
        survey.remove(Fields::of(&[Field::Cookie, Field::Te]), &mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["host", "accept"]);
        headers.append("x-tenant-number_1", HeaderValue::from_static("1"));
        assert!(Survey::of(&headers).has_underscore());
    }
}
