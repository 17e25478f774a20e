//! Trailers on the way through.

use http::{HeaderMap, HeaderName};

use crate::wire::may_trail;

/// Removes what must not be a trailer, which the strict reader of HTTP/1 lets not come this far and the library of HTTP/2 does;
/// and what one proxy says to another, which ends here.
pub(super) fn strip(trailers: &mut HeaderMap) {
    let barred = |name: &&HeaderName| {
        let name = name.as_str();
        !may_trail(name.as_bytes()) || name.starts_with("proxy-") || name.starts_with("proxy_")
    };
    while let Some(name) = trailers.keys().find(barred).cloned() {
        trailers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

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
            "proxy-authentication-info",
            "proxy_status",
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
