//! Trailers on the way through: fields that frame, route or authorise a message mean nothing after it (RFC 9110, section
//! 6.5.1), and a recipient that merges them into the head would be told other things than those that were checked.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};

/// Never passed on as trailers.
const BARRED: [HeaderName; 18] = [
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::EXPECT,
    header::FORWARDED,
    header::HOST,
    header::MAX_FORWARDS,
    header::SET_COOKIE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::VIA,
];
/// The beginnings of names that are barred with all that follows.
const BARRED_PREFIXES: [&str; 7] =
    ["botgate-", "client-cert", "keep-alive", "proxy-", "x-forwarded", "x-request-id", "idempotency-key"];

/// Removes what must not be a trailer, however it is spelt.
pub(super) fn strip(trailers: &mut HeaderMap<HeaderValue>) {
    let barred = |name: &&HeaderName| {
        // Some servers read `content_length` as Content-Length.
        let plain = name.as_str().replace('_', "-");
        BARRED.iter().any(|barred| barred.as_str() == plain)
            || BARRED_PREFIXES.iter().any(|prefix| plain.starts_with(prefix))
    };
    while let Some(name) = trailers.keys().find(barred).cloned() {
        trailers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_frames_routes_or_authorises_is_no_trailer_and_the_rest_is() {
        let mut trailers = HeaderMap::new();
        for name in [
            "grpc-status",
            "content-length",
            "content_length",
            "host",
            "transfer-encoding",
            "authorization",
            "x-forwarded-for",
            "x_forwarded_for",
            "botgate-epoch",
            "proxy-authorization",
            "client-cert",
            "client_cert-chain",
            "x-sum",
            "server-timing",
        ] {
            trailers.append(HeaderName::from_static(name), HeaderValue::from_static("1"));
            trailers.append(HeaderName::from_static(name), HeaderValue::from_static("2"));
        }
        strip(&mut trailers);
        let mut left: Vec<&str> = trailers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["grpc-status", "server-timing", "x-sum"]);
    }
}
