//! Names of fields that the gateway acts on, known by a number each.

use http::header::{self, HeaderName};

/// A field that the gateway acts on. Its number is its bit in a [`Set`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Known {
    /// `authorization`
    Authorization,
    /// `botgate-attempt`
    BotgateAttempt,
    /// `botgate-epoch`
    BotgateEpoch,
    /// `botgate-probe`
    BotgateProbe,
    /// `botgate-resend`
    BotgateResend,
    /// `channelid`
    ChannelId,
    /// `client-cert`
    ClientCert,
    /// `client-cert-chain`
    ClientCertChain,
    /// `connection`
    Connection,
    /// `content-encoding`
    ContentEncoding,
    /// `content-length`
    ContentLength,
    /// `content-type`
    ContentType,
    /// `cookie`
    Cookie,
    /// `date`
    Date,
    /// `expect`
    Expect,
    /// `forwarded`
    Forwarded,
    /// `host`
    Host,
    /// `http2-settings`
    Http2Settings,
    /// `idempotency-key`
    IdempotencyKey,
    /// `keep-alive`
    KeepAlive,
    /// `proxy-authenticate`
    ProxyAuthenticate,
    /// `proxy-authorization`
    ProxyAuthorization,
    /// `proxy-connection`
    ProxyConnection,
    /// `sec-websocket-version`
    SecWebSocketVersion,
    /// `strict-transport-security`
    StrictTransportSecurity,
    /// `te`
    Te,
    /// `trailer`
    Trailer,
    /// `transfer-encoding`
    TransferEncoding,
    /// `upgrade`
    Upgrade,
    /// `via`
    Via,
    /// `x-forwarded-for`
    XForwardedFor,
    /// `x-forwarded-host`
    XForwardedHost,
    /// `x-forwarded-port`
    XForwardedPort,
    /// `x-forwarded-proto`
    XForwardedProto,
    /// `x-request-id`
    XRequestId,
}

/// The names, as [`Known`] numbers them.
static NAMES: [HeaderName; 35] = [
    header::AUTHORIZATION,
    HeaderName::from_static("botgate-attempt"),
    HeaderName::from_static("botgate-epoch"),
    HeaderName::from_static("botgate-probe"),
    HeaderName::from_static("botgate-resend"),
    HeaderName::from_static("channelid"),
    HeaderName::from_static("client-cert"),
    HeaderName::from_static("client-cert-chain"),
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::DATE,
    header::EXPECT,
    header::FORWARDED,
    header::HOST,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::SEC_WEBSOCKET_VERSION,
    header::STRICT_TRANSPORT_SECURITY,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-request-id"),
];

impl Known {
    /// Which field has this name (lower case). Told by its length first: few have the same.
    pub fn of(name: &[u8]) -> Option<Self> {
        let known = match name.len() {
            2 if name == b"te" => Self::Te,
            3 if name == b"via" => Self::Via,
            4 => match name {
                b"host" => Self::Host,
                b"date" => Self::Date,
                _ => return None,
            },
            6 => match name {
                b"cookie" => Self::Cookie,
                b"expect" => Self::Expect,
                _ => return None,
            },
            7 => match name {
                b"upgrade" => Self::Upgrade,
                b"trailer" => Self::Trailer,
                _ => return None,
            },
            9 => match name {
                b"forwarded" => Self::Forwarded,
                b"channelid" => Self::ChannelId,
                _ => return None,
            },
            10 => match name {
                b"connection" => Self::Connection,
                b"keep-alive" => Self::KeepAlive,
                _ => return None,
            },
            11 if name == b"client-cert" => Self::ClientCert,
            12 => match name {
                b"content-type" => Self::ContentType,
                b"x-request-id" => Self::XRequestId,
                _ => return None,
            },
            13 => match name {
                b"authorization" => Self::Authorization,
                b"botgate-epoch" => Self::BotgateEpoch,
                b"botgate-probe" => Self::BotgateProbe,
                _ => return None,
            },
            14 => match name {
                b"content-length" => Self::ContentLength,
                b"http2-settings" => Self::Http2Settings,
                b"botgate-resend" => Self::BotgateResend,
                _ => return None,
            },
            15 => match name {
                b"x-forwarded-for" => Self::XForwardedFor,
                b"idempotency-key" => Self::IdempotencyKey,
                b"botgate-attempt" => Self::BotgateAttempt,
                _ => return None,
            },
            16 => match name {
                b"content-encoding" => Self::ContentEncoding,
                b"x-forwarded-host" => Self::XForwardedHost,
                b"x-forwarded-port" => Self::XForwardedPort,
                b"proxy-connection" => Self::ProxyConnection,
                _ => return None,
            },
            17 => match name {
                b"transfer-encoding" => Self::TransferEncoding,
                b"x-forwarded-proto" => Self::XForwardedProto,
                b"client-cert-chain" => Self::ClientCertChain,
                _ => return None,
            },
            18 if name == b"proxy-authenticate" => Self::ProxyAuthenticate,
            19 if name == b"proxy-authorization" => Self::ProxyAuthorization,
            21 if name == b"sec-websocket-version" => Self::SecWebSocketVersion,
            25 if name == b"strict-transport-security" => Self::StrictTransportSecurity,
            _ => return None,
        };
        Some(known)
    }

    /// Its name.
    pub fn name(self) -> &'static HeaderName {
        &NAMES[self as usize]
    }
}

/// Some of the fields that are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Set(u64);

impl Set {
    /// None.
    pub const NONE: Self = Self(0);

    /// These.
    pub const fn of(fields: &[Known]) -> Self {
        let (mut set, mut at) = (Self::NONE, 0);
        while at < fields.len() {
            set = set.with(fields[at]);
            at += 1;
        }
        set
    }

    /// And this one.
    #[must_use]
    pub const fn with(self, field: Known) -> Self {
        Self(self.0 | 1 << field as u8)
    }

    /// And these.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// But not these.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether it is one of them.
    pub const fn has(self, field: Known) -> bool {
        self.0 & (1 << field as u8) != 0
    }

    /// Whether one of the others is one of them.
    pub const fn has_any(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Whether this is the field, where it is known at all, of a line.
    pub(super) fn takes(self, field: Option<Known>) -> bool {
        field.is_some_and(|field| self.has(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_by_its_own_number() {
        for (at, name) in NAMES.iter().enumerate() {
            assert_eq!(Known::of(name.as_str().as_bytes()).map(|field| field as usize), Some(at), "{name}");
        }
        for other in ["", "hosts", "content-typf", "authorizatiom", "x_request_id", "x-forwarded", "tee"] {
            assert_eq!(Known::of(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_set_has_what_it_is_of() {
        let set = Set::of(&[Known::XRequestId, Known::Authorization]);
        assert!(set.has(Known::XRequestId) && set.has(Known::Authorization) && !set.has(Known::Te));
        let rest = set.without(Set::of(&[Known::Authorization, Known::Te]));
        assert_eq!(rest, Set::NONE.with(Known::XRequestId));
        assert!(rest.has_any(set) && !rest.has_any(Set::of(&[Known::Te])));
    }
}
